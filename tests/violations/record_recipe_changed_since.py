"""Caught by chain: a recipe that is no longer the one that ran."""

from tampering import edit


def tamper(folder):
    edit(folder / "zoo.py", "max_lr=0.05", "max_lr=0.06")
