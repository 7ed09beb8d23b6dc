"""Caught by ratchet: a limit of each seed's misses exchanged for a share that allows more."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    edit(folder / "zoo.py", "max_misses=900", "min_accuracy=0.05")
