"""A small network with everything a budget can require, and ways to change one thing of it."""

import torch.nn.functional as F
from torch import nn


class Net(nn.Module):
    """A small network with everything a budget can require; the subclasses change one thing."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.norm2 = nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6)
        self.drop, self.dense = nn.Dropout(0.1), nn.Linear(6, 10)

    def features(self, x):
        x = F.relu(self.norm1(self.conv1(x)), inplace=True)
        return self.drop(F.relu(self.norm2(self.conv2(F.max_pool2d(x, 2)))))

    def forward(self, x):
        return self.dense(self.features(x).mean((2, 3)))


def changed(**methods):
    """`Net` with other methods: a class, as an entry's network is."""
    return type("Changed", (Net,), methods)


def flattening_init(self):
    Net.__init__(self)
    self.wide = nn.Linear(6 * 121, 10)
