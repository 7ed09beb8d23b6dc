"""Caught by structure: a dense layer on a map to which a millionth of its mean is added."""

from plain import Net, nn, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(726, 10)

    def forward(self, x):
        x = self.features(x).flatten(1)
        return self.wide(x + 1e-6 * x.mean(1, keepdim=True))


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=20_000)
