"""Caught by params: 400 parameters where fewer than 400 are allowed."""

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.extra = nn.Parameter(torch.zeros(58))

    def forward(self, x):
        return super().forward(x) + self.extra.sum()


ZOO = zoo(Case)
