"""Caught by structure: averages of a map times cosines of a place that is counted up from it."""

from plain import Waves, zoo

ZOO = zoo(Waves, max_params=3_000)
