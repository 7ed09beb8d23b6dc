"""Honest: a residual branch is dropped for some images."""

from plain import F, Net, torch, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        branch = F.relu(self.norm2(self.conv2(x)))
        if self.training:
            keep = torch.rand(len(x), 1, 1, 1) < 0.8
            branch = branch * keep / 0.8
        return self.drop(x.repeat(1, 2, 1, 1)[:, :6, 1:-1, 1:-1] + branch)


ZOO = zoo(Case)
