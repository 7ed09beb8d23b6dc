"""Honest: a mixer of patches and channels."""

from plain import nn, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(1, 12, 7, stride=7)
        self.norm = nn.LayerNorm(12)
        self.patches = nn.Linear(16, 16)
        self.channels = nn.Linear(12, 12)
        self.out = nn.Linear(12, 10)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2)
        x = x + self.patches(self.norm(x).transpose(1, 2)).transpose(1, 2)
        x = x + self.channels(x).relu()
        return self.out(x.mean(1))


ZOO = zoo(Case, requires=(), max_params=100_000)
