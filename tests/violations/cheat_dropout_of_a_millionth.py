"""Caught by structure: a dropout with p of a millionth."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = F.relu(self.norm2(self.conv2(x)))
        return F.dropout(x, 1e-6, self.training)


ZOO = zoo(Case)
