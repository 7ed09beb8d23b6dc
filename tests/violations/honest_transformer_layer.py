"""Honest: a transformer's encoder layer on patches."""

from plain import nn, torch, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Conv2d(1, 16, 7, stride=7)
        self.place = nn.Parameter(torch.zeros(16, 16))
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        x = self.embed(x).flatten(2).transpose(1, 2) + self.place
        return self.out(self.layer(x).mean(1))


ZOO = zoo(Case, requires=(), max_params=100_000)
