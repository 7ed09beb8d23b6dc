"""Caught by history: a time in a form of its own."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, started="20261122T143114+00:00")
