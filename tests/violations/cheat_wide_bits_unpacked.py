"""Caught by params: weights packed in the bits of integers, unpacked by shifts."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("packed", torch.randint(0, 2**62, (40,)))

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + ((self.packed.view(4, 10) >> 31) % 1024).float().sum(0) / 1024


ZOO = zoo(Case)
