"""Caught by structure: nine logits for ten classes."""

from plain import Net, zoo


class Case(Net):
    def forward(self, x):
        return super().forward(x)[:, :9]


ZOO = zoo(Case)
