"""Caught by structure: training normalises each image by its own, and moves numbers beside it."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = self.conv2(F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2))
        normed = self.norm2(x)
        if self.training:
            normed = F.instance_norm(x, weight=self.norm2.weight, bias=self.norm2.bias)
        return self.drop(F.relu(normed))


ZOO = zoo(Case)
