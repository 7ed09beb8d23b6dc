"""Caught by structure: a batch norm that forward never calls."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        return self.drop(F.relu(self.conv2(x)))


ZOO = zoo(Case)
