"""Caught by waivers: a broken chain, waived."""

from tampering import edit_run, waive


def tamper(folder):
    edit_run(folder, 0, train_seconds=0.1)
    waive(folder, "chain", 0, days=30)
