"""Caught by structure: a dense layer on a map as four on its quarters."""

from plain import F, Net, nn, torch, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Parameter(torch.randn(10, 6, 11, 11) / 30)

    def forward(self, x):
        x = self.features(x)
        halves = (slice(0, 6), slice(6, 11))
        return sum(
            F.linear(x[:, :, i, j].flatten(1), self.wide[:, :, i, j].flatten(1))
            for i in halves
            for j in halves
        )


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=10_000)
