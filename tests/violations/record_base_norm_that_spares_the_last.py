"""Caught by ratchet: a norm required of all convolutions but the last."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    edit(folder / "zoo.py", "BatchNorm(), Drop", "BatchNorm(except_last=True), Drop")
