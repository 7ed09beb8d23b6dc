"""Caught by structure: a pooling layer that forward never calls."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.gap, self.wide = nn.AdaptiveAvgPool2d(1), nn.Linear(726, 10)

    def forward(self, x):
        return self.wide(self.features(x).flatten(1))


ZOO = zoo(Case, max_params=20_000)
