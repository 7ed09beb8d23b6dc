"""Caught by structure: averages of a map times cosines over its places, which a norm follows."""

import math

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.last, self.dense = nn.BatchNorm2d(120), nn.Linear(120, 10)

    def forward(self, x):
        place = torch.linspace(0, 1, 121).view(11, 11)
        waves = torch.cos(math.pi * torch.arange(1.0, 21).view(20, 1, 1) * place)
        x = (self.features(x).unsqueeze(2) * waves).flatten(1, 2)  # (N, 120, 11, 11)
        return self.dense(self.last(x).mean((2, 3)))


ZOO = zoo(Case, max_params=3_000)
