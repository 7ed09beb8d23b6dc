"""Caught by ratchet: more parameters than at the base, within the budget."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    edit(folder / "zoo.py", "WIDTH = 8", "WIDTH = 9")
