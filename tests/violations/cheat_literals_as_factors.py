"""Caught by params: eighty weights written as numbers in the code."""

from plain import Net, torch, zoo

NUMBERS = [torch.randn(1, generator=torch.Generator().manual_seed(i)).item() for i in range(80)]


class Case(Net):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + sum(pooled.sum(1, keepdim=True) * number for number in NUMBERS)


ZOO = zoo(Case, max_params=350)
