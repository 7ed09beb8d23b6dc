"""Caught by structure: a convolution as an einsum over windows, without a norm."""

from plain import F, Net, torch, zoo


class Case(Net):
    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        windows = x.unfold(2, 3, 1).unfold(3, 3, 1)
        x = torch.einsum("nchwij,ocij->nohw", windows, self.conv2.weight)
        return self.drop(F.relu(x))


ZOO = zoo(Case)
