"""Honest: the largest pixel of each channel is classified."""

from plain import Net, nn, zoo

from torchbudget.declare.budget import BatchNorm, NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.conv2, self.norm2 = nn.Conv2d(4, 24, 3, bias=False), nn.BatchNorm2d(24)
        self.dense = nn.Linear(24, 10)

    def forward(self, x):
        return self.dense(self.features(x).amax((2, 3)))


ZOO = zoo(Case, requires=(BatchNorm(), NoDenseOnMap()), max_params=20_000)
