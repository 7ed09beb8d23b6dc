"""Caught by structure: a dense layer on a map that a norm over the whole image has scaled."""

from plain import F, Net, nn, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(726, 10)

    def forward(self, x):
        return self.wide(F.layer_norm(self.features(x).flatten(1), (726,)))


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=20_000)
