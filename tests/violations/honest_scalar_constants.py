"""Honest: a few numbers written into forward."""

from plain import Net, zoo


class Case(Net):
    def forward(self, x):
        return super().forward((x - 0.1) / 0.9) * 2.5


ZOO = zoo(Case)
