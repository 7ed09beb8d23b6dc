"""Caught by structure: a dropout that acts at test time."""

from plain import F, Net, zoo


class Case(Net):
    def features(self, x):
        return F.dropout(super().features(x), 0.1, training=True)


ZOO = zoo(Case)
