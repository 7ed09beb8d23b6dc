"""Caught by results: a key written with an escape."""

from tampering import edit


def tamper(folder):
    edit(folder / "results.json", '"params"', '"p\\u0061rams"')
