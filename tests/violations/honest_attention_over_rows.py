"""Honest: self-attention between rows."""

from plain import nn, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(28, 16)
        self.attend = nn.MultiheadAttention(16, 4, batch_first=True)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        x = self.embed(x.squeeze(1))
        mixed, _ = self.attend(x, x, x)
        return self.out(mixed.mean(1))


ZOO = zoo(Case, requires=(), max_params=100_000)
