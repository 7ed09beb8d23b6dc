"""Caught by params: a float64 parameter holds two numbers an element."""

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.more = nn.Parameter(torch.randn(6, 8, dtype=torch.float64))

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + (pooled @ self.more.float()).sum(1, keepdim=True)


ZOO = zoo(Case, max_params=342 + 60)
