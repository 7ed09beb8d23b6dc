"""Honest: the norm comes after the ReLU."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(self.norm1(F.relu(self.conv1(x))), 2)
        return self.drop(self.norm2(F.relu(self.conv2(x))))


ZOO = zoo(Case)
