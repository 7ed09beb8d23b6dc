"""Caught by results: a field at its default, which is not written."""

from tampering import edit


def tamper(folder):
    edit(folder / "results.json", '   "seal"', '   "views": [],\n   "seal"')
