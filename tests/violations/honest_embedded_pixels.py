"""Honest: pixels are read by a table of brightness."""

from plain import nn, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(16, 4)
        self.out = nn.Linear(4, 10)

    def forward(self, x):
        levels = (x.squeeze(1).sigmoid() * 15.99).long()
        return self.out(self.table(levels).mean((1, 2)))


ZOO = zoo(Case, requires=(), max_params=100_000)
