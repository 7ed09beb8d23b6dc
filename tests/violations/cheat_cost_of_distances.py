"""Caught by cost: distances between all pixels."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        pixels = x.flatten(2).transpose(1, 2)
        return super().forward(x) + torch.cdist(pixels, pixels).mean((1, 2)).unsqueeze(1)


ZOO = zoo(Case, requires=(), max_params=100_000, max_multiply_adds=60532)
