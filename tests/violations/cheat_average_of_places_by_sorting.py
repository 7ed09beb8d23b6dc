"""Caught by structure: averages of a map times what is left of its place when it is sorted."""

import math

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.dense = nn.Linear(120, 10)

    def forward(self, x):
        x = self.features(x)
        flat = x.mean(1, True).flatten(2)
        order = flat.argsort(2)
        place = torch.zeros_like(flat).scatter(2, order, order.float()).view(-1, 1, 11, 11)
        place = math.pi * place / 121
        return self.dense(torch.cat([x * torch.cos(k * place) for k in range(20)], 1).mean((2, 3)))


ZOO = zoo(Case, max_params=3_000)
