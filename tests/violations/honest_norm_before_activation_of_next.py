"""Honest: the activation between the convolution and its norm."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = self.norm1(F.max_pool2d(F.relu(self.conv1(x)), 2))
        return self.drop(self.norm2(F.relu(self.conv2(x))))


ZOO = zoo(Case)
