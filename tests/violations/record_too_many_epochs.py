"""Caught by epochs: as many epochs as the budget's limit, which is exclusive."""

from tampering import edit


def tamper(folder):
    edit(folder / "zoo.py", "max_epochs=10", "max_epochs=2")
