"""Caught by waivers: a waiver of a gate that passes."""

from tampering import waive


def tamper(folder):
    waive(folder, "params", 5_000, days=30)
