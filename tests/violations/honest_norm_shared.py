"""Honest: one norm follows two convolutions."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = self.norm2(self.conv2(x)) + self.norm2(self.conv2(x.flip(3)))
        return self.drop(F.relu(x))


ZOO = zoo(Case)
