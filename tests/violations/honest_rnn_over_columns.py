"""Honest: a plain recurrent layer reads the columns."""

from plain import nn, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.read = nn.RNN(28, 24, batch_first=True)
        self.out = nn.Linear(24, 10)

    def forward(self, x):
        return self.out(self.read(x.squeeze(1).transpose(1, 2))[0].mean(1))


ZOO = zoo(Case, requires=(), max_params=100_000)
