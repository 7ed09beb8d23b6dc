"""A zoo on a root in MNIST's form, to be tried: an entry, two others, one that cannot be tried."""

from dataclasses import replace
from functools import partial

import torch.nn.functional as F
from torch import nn

from torchbudget import data
from torchbudget.data.mnist import IMAGE, IdxLoader
from torchbudget.data.spec import DataSpec
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Ensemble, Entry, Member
from utils.recipe import SGD, Constant, Recipe

DIGESTS = {}  # the tests write them here


class Small(nn.Module):
    def __init__(self, width=4, scale=1.0):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 5, stride=3, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.classify = nn.Linear(width, 10)
        self.classify.weight.data *= scale

    def forward(self, x):
        return self.classify(F.relu(self.norm(self.conv(x))).mean((2, 3)))


SMALL = Entry(
    name="small",
    network=Small,
    data=DataSpec(name="like", load=IdxLoader("like", "MNIST", IMAGE, DIGESTS), image=IMAGE),
    recipe=Recipe(
        epochs=2, batch_size=20, optimizer=SGD(), schedule=Constant(lr=0.1), val_images=2_000
    ),
    budget=Budget(max_params=1_000),
)
LOUD = replace(SMALL, name="loud", network=partial(Small, scale=3.0))
BLIND = replace(SMALL, name="blind", recipe=replace(SMALL.recipe, val_images=0))
SAMPLE = replace(SMALL, name="sampled", data=data.MNIST_SAMPLE)
BOTH = Ensemble(name="both", members=(Member(entry=SMALL),), budget=Budget(max_params=1_000))
ZOO = (SMALL, LOUD, BLIND, SAMPLE, BOTH)
