"""Caught by ratchet: a requirement that the base had."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    edit(folder / "zoo.py", "BatchNorm(), Dropout(), Global", "BatchNorm(), Global")
