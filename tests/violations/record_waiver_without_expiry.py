"""Caught by waivers: a waiver that never ends."""

from tampering import edit, waive


def tamper(folder):
    edit(folder / "zoo.py", "max_misses=900", "max_misses=1")
    waive(folder, "accuracy", 900, days=30)
    edit(folder / "waivers.toml", "expires", "since")
