"""Caught by params: weights quantised into an int8 buffer."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("packed", torch.randint(-127, 127, (6, 10), dtype=torch.int8))

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + pooled @ (self.packed.float() / 127)


ZOO = zoo(Case)
