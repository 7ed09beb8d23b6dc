"""Honest: a network reads the sorted pixels."""

from plain import nn, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(784, 10)

    def forward(self, x):
        return self.out(x.flatten(1).sort(1).values)


ZOO = zoo(Case, requires=(), max_params=100_000)
