"""Caught by params: frozen parameters are parameters."""

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.frozen = nn.Parameter(torch.randn(6, 10), requires_grad=False)

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + pooled @ self.frozen


ZOO = zoo(Case)
