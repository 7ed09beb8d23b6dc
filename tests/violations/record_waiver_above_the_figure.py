"""Caught by accuracy: a waiver that accepts more misses than were observed."""

from tampering import edit, waive


def tamper(folder):
    edit(folder / "zoo.py", "max_misses=900", "max_misses=1")
    waive(folder, "accuracy", 10**6, days=30)
