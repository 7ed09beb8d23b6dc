"""The honest network that every case changes in one way, and the entry with its budget."""

import math

import torch
import torch.nn.functional as F
from torch import nn

from torchbudget.data.mnist import MNIST_SAMPLE
from torchbudget.declare.budget import BatchNorm, Budget, Dropout, GlobalAveragePooling
from torchbudget.declare.entry import Entry
from utils.recipe import SGD, Constant, Recipe

__all__ = ["F", "Net", "Tokens", "Waves", "nn", "torch", "zoo"]


class Net(nn.Module):
    """342 parameters, all used, with everything that the budget requires."""

    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.conv2, self.norm2 = nn.Conv2d(4, 6, 3, bias=False), nn.BatchNorm2d(6)
        self.drop, self.dense = nn.Dropout(0.1), nn.Linear(6, 10)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)  # (N, 4, 13, 13)
        return self.drop(F.relu(self.norm2(self.conv2(x))))  # (N, 6, 11, 11)

    def forward(self, x):
        return self.dense(self.features(x).mean((2, 3)))


class Tokens(Net):
    """`Net` whose second layer, in `weigh`, reads tokens; no norm follows it."""

    def __init__(self):
        super().__init__()
        self.conv2 = nn.Linear(4, 6, bias=False)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        x = self.weigh(x.flatten(2).transpose(1, 2))  # (N, 169, 4) to (N, 169, 6)
        return self.drop(F.relu(x.transpose(1, 2).view(-1, 6, 13, 13)))

    def weigh(self, tokens):
        return self.conv2(tokens)


class Waves(Net):
    """`Net` that averages its maps times twenty cosines of the `place` of each pixel, 0 to 1."""

    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(120, 10)

    def forward(self, x):
        x = self.features(x)
        place = math.pi * self.place(x)  # (N, 1, 11, 11)
        waves = [self.wave(x, torch.cos(k * place)) for k in range(20)]
        return self.dense(torch.cat([x * wave for wave in waves], 1).mean((2, 3)))

    def place(self, x):
        """Counted up from the maps."""
        return (1 + 0.05 * x.mean(1, True)).flatten(2).cumsum(2).view(-1, 1, 11, 11) / 121

    def wave(self, x, cosine):
        return cosine


def zoo(network, **budget):
    """`ZOO` of one entry, `case`, with fewer than 400 parameters."""
    recipe = Recipe(epochs=2, batch_size=50, optimizer=SGD(), schedule=Constant(), val_images=500)
    limits = {
        "max_params": 400,
        "max_epochs": 10,
        "max_misses": 900,
        "requires": (BatchNorm(), Dropout(), GlobalAveragePooling()),
    }
    return (
        Entry(
            name="case",
            network=network,
            data=MNIST_SAMPLE,
            recipe=recipe,
            budget=Budget(**limits | budget),
        ),
    )
