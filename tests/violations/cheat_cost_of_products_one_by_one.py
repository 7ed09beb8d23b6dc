"""Caught by cost: products and sums for each of forty weights."""

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.big = nn.Parameter(torch.randn(40, 28, 28))

    def forward(self, x):
        sums = sum((x * weight).sum((1, 2, 3)) for weight in self.big)
        return super().forward(x) + sums.unsqueeze(1)


ZOO = zoo(Case, requires=(), max_params=100_000, max_multiply_adds=60532)
