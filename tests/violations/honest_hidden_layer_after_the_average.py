"""Honest: a hidden layer, wider than the channels, after the global average."""

from plain import Net, nn, zoo

from torchbudget.declare.budget import BatchNorm, NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.dense = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x):
        return self.dense(self.features(x).mean((2, 3)))


ZOO = zoo(Case, requires=(BatchNorm(), NoDenseOnMap()), max_params=20_000)
