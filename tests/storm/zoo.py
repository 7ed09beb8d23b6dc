"""A tiny network under every kind of state that a checkpoint holds."""

import torch.nn.functional as F
from torch import nn

from torchbudget import Budget, Entry, data
from torchbudget.declare.views import View
from utils.augmentations import Affine, Elastic
from utils.recipe import (
    EMA,
    SGD,
    SWA,
    Adam,
    Constant,
    Cosine,
    Finish,
    Focus,
    Lookahead,
    Mix,
    OneCycle,
    Recipe,
    ReduceOnPlateau,
)
from utils.teacher import Teacher

EPOCHS = 4


class Tiny(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 5, stride=2, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.dropout = nn.Dropout(0.1)
        self.classify = nn.Linear(8, 10)

    def forward(self, x):
        x = F.relu(self.norm(self.conv(x)))
        return self.classify(self.dropout(x).mean((2, 3)))


def declare(name, views=(), **changes):
    settings = {
        "epochs": EPOCHS,
        "batch_size": 100,
        "optimizer": SGD(),
        "schedule": OneCycle(max_lr=0.05),
        "augment": (Affine(rotate=5),),
        "val_images": 500,
    }
    budget = Budget(max_params=2_000, max_misses=1_000)
    recipe = Recipe(**settings | changes)
    return Entry(
        name=name, network=Tiny, data=data.MNIST_SAMPLE, recipe=recipe, budget=budget, views=views
    )


ONE_CYCLE = declare("one_cycle")

ZOO = (
    ONE_CYCLE,
    declare("ema", average=EMA(decay=0.9)),
    declare("swa", average=SWA(start_epoch=2)),
    declare("lookahead", lookahead=Lookahead(k=5)),
    declare("mix", mix=Mix(p=0.7)),
    declare("focus", focus=Focus()),
    declare("finish", augment=(Elastic(),), finish=Finish(epochs=2)),
    declare("plateau", optimizer=Adam(), schedule=ReduceOnPlateau(lr=0.01, patience=1)),
    declare("half_views", amp="fp16", schedule=Cosine(lr=0.05), views=(View(), View(rotate=3))),
    declare("constant", schedule=Constant(lr=0.01), clip_norm=1.0, label_smoothing=0.1),
    declare("taught", teacher=Teacher(entry=ONE_CYCLE, copies=2)),
)
