"""Caught by history: a run from before there was PyTorch."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, started="1998-11-01T00:00:00+00:00")
