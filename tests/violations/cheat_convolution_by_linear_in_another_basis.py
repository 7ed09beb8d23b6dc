"""Caught by structure: a layer of tokens, written as sums of cosines, without a norm."""

import math

from plain import F, Net, nn, torch, zoo

from torchbudget.declare.budget import BatchNorm


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv2 = nn.Linear(4, 6, bias=False)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        tokens = x.flatten(2).transpose(1, 2)  # (N, 169, 4)
        place = torch.arange(169.0)
        basis = torch.cos(math.pi / 169 * (place + 0.5) * place[:, None]) / 13  # (169, 169)
        x = basis.T @ self.conv2(basis @ tokens)
        return self.drop(F.relu(x.transpose(1, 2).view(-1, 6, 13, 13)))


ZOO = zoo(Case, requires=(BatchNorm(),))
