"""Caught by ratchet: a limit taken away."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    edit(folder / "zoo.py", "            max_epochs=10,\n", "")
