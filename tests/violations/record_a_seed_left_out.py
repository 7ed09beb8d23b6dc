"""Caught by seeds: a seed that the budget declares and nobody ran."""

from tampering import edit


def tamper(folder):
    edit(folder / "zoo.py", "seeds=2", "seeds=3")
