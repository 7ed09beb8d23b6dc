"""Caught by chain: views that the entry does not have."""

from tampering import edit_run


def tamper(folder):
    view = {"kind": "View", "right": 1, "down": 0}
    edit_run(folder, 0, reseal=True, views=[view])
