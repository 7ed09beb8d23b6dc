"""Caught by results: a count written as a float."""

from tampering import edit


def tamper(folder):
    edit(folder / "results.json", '"seed": 0,', '"seed": 0.0,')
