"""Caught by ratchet: fewer seeds than at the base."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    edit(folder / "zoo.py", "seeds=2", "seeds=1")
