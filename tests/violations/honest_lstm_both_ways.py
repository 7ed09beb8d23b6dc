"""Honest: an LSTM reads the rows in both directions."""

from plain import nn, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.read = nn.LSTM(28, 24, batch_first=True, bidirectional=True)
        self.out = nn.Linear(48, 10)

    def forward(self, x):
        return self.out(self.read(x.squeeze(1))[0][:, -1])


ZOO = zoo(Case, requires=(), max_params=100_000)
