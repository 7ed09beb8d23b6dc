"""Caught by history: a run that is still to come."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, started="2999-01-01T00:00:00+00:00")
