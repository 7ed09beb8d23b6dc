"""Caught by structure: a global average beside a flattened map."""

from plain import Net, nn, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(726, 10)

    def forward(self, x):
        x = self.features(x)
        return self.dense(x.mean((2, 3))) + self.wide(x.flatten(1))


ZOO = zoo(Case, max_params=20_000)
