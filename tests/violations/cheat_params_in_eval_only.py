"""Caught by params: more weights in eval than in train."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.tables = [torch.randn(6, 10)]

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        extra = 0 if self.training else pooled @ self.tables[0]
        return self.dense(pooled) + extra


ZOO = zoo(Case)
