"""Caught by claim: val misses that are not told."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, val=None)
