"""Caught by params: a table decoded from a text in the code."""

from plain import Net, torch, zoo

TEXT = "".join(chr(40 + i * 37 % 80) for i in range(100))


class Case(Net):
    def __init__(self):
        super().__init__()
        self.scale = 1.0

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + torch.tensor([ord(letter) / 99 for letter in TEXT]).view(
            10, 10
        ).sum(0)


ZOO = zoo(Case)
