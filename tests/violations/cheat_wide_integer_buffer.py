"""Caught by params: a table of integers of 64 bits in a buffer."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.randint(-(2**60), 2**60, (4, 10)))

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + (self.table.double() / 2.0**60).float().sum(0)


ZOO = zoo(Case)
