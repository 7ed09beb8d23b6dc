"""Honest: a norm over neighbouring channels, by a pool of three dimensions."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.relu(self.norm2(self.conv2(x)))
        return self.drop(F.local_response_norm(x, 3))


ZOO = zoo(Case)
