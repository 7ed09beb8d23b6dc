"""Caught by structure: a norm of one channel beside five without."""

from plain import F, Net, torch, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = self.conv2(x)
        x = torch.cat([self.norm2(x)[:, :1], x[:, 1:]], 1)
        return self.drop(F.relu(x))


ZOO = zoo(Case)
