"""Caught by params: ranges between numbers of the code."""

from plain import Net, torch, zoo

NUMBERS = torch.rand(60, generator=torch.Generator().manual_seed(0)).tolist()


class Case(Net):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + sum(
            torch.linspace(first, last, 10)
            for first, last in zip(NUMBERS[::2], NUMBERS[1::2], strict=True)
        )


ZOO = zoo(Case, max_params=350)
