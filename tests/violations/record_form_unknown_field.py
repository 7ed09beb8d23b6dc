"""Caught by results: a field that no run has."""

from tampering import edit


def tamper(folder):
    edit(folder / "results.json", '   "seal"', '   "accuracy": 1.0,\n   "seal"')
