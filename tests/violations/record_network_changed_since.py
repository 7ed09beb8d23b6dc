"""Caught by chain: a network that computes something else than the one that was trained."""

from tampering import edit


def tamper(folder):
    edit(folder / "zoo.py", "return self.classify(", "return 2 * self.classify(")
