"""Caught by results: a loss that is no number."""

from tampering import edit


def tamper(folder):
    edit(folder / "results.json", '"train_loss": ', '"train_loss": NaN, "_": ')
