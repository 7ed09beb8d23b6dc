"""Honest: two layers of a vision transformer, whose tokens are averaged."""

from plain import nn, zoo

from torchbudget.declare.budget import NoDenseOnMap


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(1, 16, 4, stride=4)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        return self.out(self.layers(self.embed(x).flatten(2).transpose(1, 2)).mean(1))


ZOO = zoo(Case, requires=(NoDenseOnMap(),), max_params=20_000)
