"""Caught by params: weights in a global of the module."""

from plain import Net, torch, zoo

TABLE = torch.randn(6, 10)


class Case(Net):
    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + pooled @ TABLE


ZOO = zoo(Case)
