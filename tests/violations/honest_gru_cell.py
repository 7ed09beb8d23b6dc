"""Honest: a GRU cell, step by step."""

from plain import nn, torch, zoo


class Case(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.GRUCell(28, 16)
        self.out = nn.Linear(16, 10)

    def forward(self, x):
        state = torch.zeros(len(x), 16)
        for row in x.squeeze(1).unbind(1):
            state = self.cell(row, state)
        return self.out(state)


ZOO = zoo(Case, requires=(), max_params=100_000)
