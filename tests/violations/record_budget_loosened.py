"""Caught by ratchet: a limit raised in the commit that needs it."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    edit(folder / "zoo.py", "max_misses=900", "max_misses=950")
