"""Caught by structure: a product with the map and a sum for each logit."""

from plain import Net, nn, torch, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Parameter(torch.randn(10, 6, 11, 11) / 30)

    def forward(self, x):
        x = self.features(x)
        return torch.stack([(x * weight).sum((1, 2, 3)) for weight in self.wide], 1)


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=10_000)
