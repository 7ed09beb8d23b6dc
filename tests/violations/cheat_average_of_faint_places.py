"""Caught by structure: averages of a map by its mean plus a thousandth of a place counted up."""

from plain import Waves, zoo


class Case(Waves):
    def wave(self, x, cosine):
        return x.mean((1, 2, 3), True) + 1e-3 * cosine


ZOO = zoo(Case, max_params=3_000)
