"""Caught by params: a complex128 parameter holds four numbers an element."""

from plain import Net, nn, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.more = nn.Parameter(torch.randn(6, 3, dtype=torch.complex128))

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + (pooled.to(torch.complex128) @ self.more).real.float().sum(
            1, keepdim=True
        )


ZOO = zoo(Case, max_params=342 + 60)
