"""Caught by results: a count of 80 bits."""

from tampering import edit


def tamper(folder):
    edit(folder / "results.json", '"total": 1000}', '"total": 1208925819614629174706176}')
