"""Caught by structure: a layer norm where a batch norm is required."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.layer_norm(self.conv2(x), (6, 11, 11))
        return self.drop(F.relu(x))


ZOO = zoo(Case)
