"""Caught by params: powers with sixty exponents of full precision."""

from plain import Net, torch, zoo

NUMBERS = torch.rand(60, generator=torch.Generator().manual_seed(0)).tolist()


class Case(Net):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + sum(
            pooled.abs().sum(1, keepdim=True) ** number for number in NUMBERS
        )


ZOO = zoo(Case, max_params=350)
