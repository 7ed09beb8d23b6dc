"""Caught by structure: a network that changes itself at test time."""

from plain import Net, torch, zoo


class Case(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("seen", torch.zeros(1))

    def forward(self, x):
        self.seen.add_(1)
        return super().forward(x) + self.seen


ZOO = zoo(Case)
