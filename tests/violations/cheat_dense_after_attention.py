"""Caught by structure: a dense layer on tokens that have attended to each other."""

from plain import F, Net, nn, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(726, 10)

    def forward(self, x):
        x = self.features(x).flatten(2).transpose(1, 2)  # (N, 121, 6)
        x = x + F.scaled_dot_product_attention(x, x, x)
        return self.wide(x.flatten(1))


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=20_000)
