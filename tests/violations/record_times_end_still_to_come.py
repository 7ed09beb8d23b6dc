"""Caught by history: a run whose end is still to come."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, total_seconds=1e10)
