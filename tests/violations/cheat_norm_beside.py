"""Caught by structure: a batch norm beside the convolution, not after it."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = self.conv2(x)
        return self.drop(F.relu(x + self.norm2(x)))


ZOO = zoo(Case)
