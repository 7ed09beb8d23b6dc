"""Honest: brightness is counted in bins."""

from plain import nn, torch, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(8, 10)

    def forward(self, x):
        bins = (x.flatten(1).sigmoid() * 8).long().clamp(max=7)
        counts = torch.zeros(len(x), 8).scatter_add(1, bins, torch.ones_like(x.flatten(1)))
        return self.out(counts / 784)


ZOO = zoo(Case, requires=(), max_params=100_000)
