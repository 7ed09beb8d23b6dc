"""Caught by structure: the distance of a whole map from learned maps."""

from plain import Net, nn, torch, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Parameter(torch.randn(10, 6, 11, 11) / 30)

    def forward(self, x):
        x = self.features(x)
        return -torch.cdist(x.flatten(1), self.wide.flatten(1))


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=10_000)
