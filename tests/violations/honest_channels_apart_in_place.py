"""Honest: one of two chunks of the channels passes an in-place ReLU, the other a tanh."""

from plain import F, Net, torch, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        one, other = self.norm2(self.conv2(x)).chunk(2, 1)
        one.relu_()
        return self.drop(torch.cat([one, other.tanh_()], 1))


ZOO = zoo(Case)
