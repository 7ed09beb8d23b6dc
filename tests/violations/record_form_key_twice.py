"""Caught by results: a key twice, of which other readers see the first."""

from tampering import edit


def tamper(folder):
    edit(folder / "results.json", '   "params": ', '   "params": 7,\n   "params": ')
