"""Caught by chain: a figure changed by hand."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, train_seconds=0.1)
