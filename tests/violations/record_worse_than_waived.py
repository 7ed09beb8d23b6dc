"""Caught by accuracy: misses above what the waiver accepts."""

from tampering import edit, waive


def tamper(folder):
    edit(folder / "zoo.py", "max_misses=900", "max_misses=1")
    waive(folder, "accuracy", 2, days=30)
