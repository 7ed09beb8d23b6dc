"""Honest: the norm comes after the dropout."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(self.norm1(F.relu(self.conv1(x))), 2)
        return self.norm2(F.relu(self.drop(self.conv2(x))))


ZOO = zoo(Case)
