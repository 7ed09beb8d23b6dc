"""Caught by waivers: a waiver past its day."""

from tampering import edit, waive


def tamper(folder):
    edit(folder / "zoo.py", "max_misses=900", "max_misses=1")
    waive(folder, "accuracy", 900, days=-1)
