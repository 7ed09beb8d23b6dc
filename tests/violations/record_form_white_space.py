"""Caught by results: white space in which text could hide."""

from tampering import edit


def tamper(folder):
    edit(folder / "results.json", '"seed": 0,', '"seed": 0, \t ')
