"""Caught by structure: a convolution whose kernel is the map."""

from plain import F, Net, nn, torch, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Parameter(torch.randn(10, 6, 11, 11) / 30)

    def forward(self, x):
        x = self.features(x)
        return F.conv2d(x, self.wide).flatten(1)


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=10_000)
