"""Caught by params: weights in a buffer with the name of a batch norm's statistics."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("running_mean", torch.randn(6, 10))

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + pooled @ self.running_mean


ZOO = zoo(Case)
