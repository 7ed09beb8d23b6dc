"""Caught by structure: a global maximum where an average is required."""

from plain import Net, zoo


class Case(Net):
    def forward(self, x):
        return self.dense(self.features(x).amax((2, 3)))


ZOO = zoo(Case)
