"""A zoo of one tiny network on the sample."""

import torch.nn.functional as F
from torch import nn

from torchbudget import data
from torchbudget.declare.budget import BatchNorm, Budget, Dropout, GlobalAveragePooling
from torchbudget.declare.entry import Entry
from utils.augmentations import Affine
from utils.recipe import EMA, SGD, OneCycle, Recipe

WIDTH = 8


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, WIDTH, 3, bias=False), nn.BatchNorm2d(WIDTH)
        self.conv2, self.norm2 = (
            nn.Conv2d(WIDTH, 3 * WIDTH, 3, bias=False),
            nn.BatchNorm2d(3 * WIDTH),
        )
        self.dropout, self.classify = nn.Dropout(0.1), nn.Linear(3 * WIDTH, 10)

    def forward(self, x):
        x = F.relu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        x = F.relu(self.norm2(self.conv2(x)))
        return self.classify(self.dropout(x).mean((2, 3)))


ZOO = (
    Entry(
        name="tiny",
        network=Tiny,
        data=data.MNIST_SAMPLE,
        recipe=Recipe(
            epochs=2,
            batch_size=50,
            optimizer=SGD(),
            schedule=OneCycle(max_lr=0.05),
            augment=(Affine(rotate=5),),
            average=EMA(decay=0.9),
            val_images=500,
        ),
        budget=Budget(
            max_params=5_000,
            max_epochs=10,
            max_misses=900,
            seeds=2,
            requires=(BatchNorm(), Dropout(), GlobalAveragePooling()),
        ),
    ),
)
