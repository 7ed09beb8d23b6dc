"""Caught by cost: a million additions by index."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        many = x.flatten(1).repeat(1, 100)
        index = (many > 0).long()
        sums = torch.zeros(len(x), 2).scatter_add(1, index, many)
        return super().forward(x) + sums[:, :1]


ZOO = zoo(Case, requires=(), max_params=100_000, max_multiply_adds=60532)
