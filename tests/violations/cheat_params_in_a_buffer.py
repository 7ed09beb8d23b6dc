"""Caught by params: weights in a buffer, which parameters() does not list."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.randn(6, 10))

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + pooled @ self.table


ZOO = zoo(Case)
