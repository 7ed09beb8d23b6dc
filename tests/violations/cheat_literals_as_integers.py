"""Caught by params: large integers in the code, divided by their range."""

from plain import Net, torch, zoo

NUMBERS = torch.randint(2**40, (60,), generator=torch.Generator().manual_seed(0)).tolist()


class Case(Net):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + sum(
            pooled.sum(1, keepdim=True) * number / 2**40 for number in NUMBERS
        )


ZOO = zoo(Case, max_params=350)
