"""Caught by chain: runs of an entry that the zoo no longer declares."""

from tampering import edit


def tamper(folder):
    edit(folder / "zoo.py", 'name="tiny"', 'name="other"')
