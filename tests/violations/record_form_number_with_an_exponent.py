"""Caught by results: an integer written with an exponent."""

from tampering import edit


def tamper(folder):
    edit(folder / "results.json", '"epochs": 2,', '"epochs": 2e0,')
