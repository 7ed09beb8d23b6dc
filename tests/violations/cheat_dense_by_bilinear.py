"""Caught by structure: a bilinear form of a map with itself pooled."""

from plain import F, Net, nn, torch, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Parameter(torch.randn(10, 6, 11, 11) / 30)

    def forward(self, x):
        x = self.features(x)
        return F.bilinear(
            x.flatten(1), x.mean((1, 2, 3)).unsqueeze(1), self.wide.flatten(1).unsqueeze(2)
        )


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=10_000)
