"""Caught by structure: averages of a map by its mean plus a thousandth of a place counted up."""

import math

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(120, 10)

    def forward(self, x):
        x = self.features(x)
        place = (1 + 0.05 * x.mean(1, True)).flatten(2).cumsum(2).view(-1, 1, 11, 11)
        mean = x.mean((1, 2, 3), True)
        waves = [mean + 1e-3 * torch.cos(k * math.pi / 121 * place) for k in range(20)]
        return self.dense(torch.cat([x * wave for wave in waves], 1).mean((2, 3)))


ZOO = zoo(Case, max_params=3_000)
