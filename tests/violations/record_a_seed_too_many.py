"""Caught by seeds: more seeds run than declared."""

from tampering import edit


def tamper(folder):
    edit(folder / "zoo.py", "seeds=2", "seeds=1")
