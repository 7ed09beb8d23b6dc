"""Caught by claim: fewer parameters than the network has."""

from tampering import edit_run, read_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, params=read_run(folder, 0)["params"] - 1)
