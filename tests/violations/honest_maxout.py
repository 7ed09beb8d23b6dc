"""Honest: the larger of two channels."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = self.norm1(self.conv1(x))
        x = F.max_pool2d(x.unflatten(1, (2, 2)).amax(2).repeat(1, 2, 1, 1), 2)
        return self.drop(F.relu(self.norm2(self.conv2(x))))


ZOO = zoo(Case)
