"""Caught by structure: a norm whose effect is multiplied and added back."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = self.conv2(x)
        x = self.norm2(x) * x.std((0, 2, 3), keepdim=True) + x.mean((0, 2, 3), keepdim=True)
        return self.drop(F.relu(x))


ZOO = zoo(Case)
