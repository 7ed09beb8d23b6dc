"""Caught by structure: a kernel that depends on the image by next to nothing, without a norm."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        weight = self.conv2.weight * (1 + 1e-12 * x.mean())
        x = F.conv2d(x, weight)
        return self.drop(F.relu(x))


ZOO = zoo(Case)
