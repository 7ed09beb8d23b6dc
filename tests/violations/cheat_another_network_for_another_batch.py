"""Caught by structure: an honest network for two images, as in a trace, and another for more."""

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(726, 10)

    def forward(self, x):
        if len(x) == 2:
            return super().forward(x) + 0 * self.wide(torch.zeros(726))
        return self.wide(self.features(x).flatten(1))


ZOO = zoo(Case, max_params=20_000)
