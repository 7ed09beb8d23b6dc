"""Caught by structure: a linear layer on each window, without a norm."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        windows = F.unfold(x, 3).transpose(1, 2)
        x = F.linear(windows, self.conv2.weight.flatten(1)).transpose(1, 2).unflatten(2, (11, 11))
        return self.drop(F.relu(x))


ZOO = zoo(Case)
