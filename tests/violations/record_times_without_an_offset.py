"""Caught by history: a time that says no offset."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, started="2026-11-22T14:31:14")
