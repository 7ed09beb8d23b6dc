"""Caught by structure: a dense layer on the sums of all pixels up to each."""

from plain import Net, nn, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(726, 10)

    def forward(self, x):
        return self.wide(self.features(x).flatten(2).cumsum(2).flatten(1))


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=20_000)
