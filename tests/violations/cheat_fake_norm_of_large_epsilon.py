"""Caught by structure: a batch norm whose epsilon is a million."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = (
            F.batch_norm(self.conv2(x) * 1e3, None, None, training=True, eps=1e6)
            if self.training
            else self.norm2(self.conv2(x))
        )
        return self.drop(F.relu(x))


ZOO = zoo(Case)
