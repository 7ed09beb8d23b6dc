"""Caught by params: a buffer that state_dict leaves out."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.randn(6, 10), persistent=False)

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + pooled @ self.table


ZOO = zoo(Case)
