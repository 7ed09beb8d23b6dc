"""Caught by cost: more multiply-adds than the budget allows."""

from plain import Net, zoo


class Case(Net):
    def forward(self, x):
        return super().forward(x)


ZOO = zoo(Case, max_multiply_adds=10_000)
