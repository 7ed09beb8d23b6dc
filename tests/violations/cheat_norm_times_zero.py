"""Caught by structure: a batch norm times zero."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = self.conv2(x)
        return self.drop(F.relu(x + 0 * self.norm2(x)))


ZOO = zoo(Case)
