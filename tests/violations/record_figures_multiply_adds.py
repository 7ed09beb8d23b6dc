"""Caught by claim: fewer multiply-adds than the network takes."""

from tampering import edit_run, read_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, multiply_adds=read_run(folder, 0)["multiply_adds"] // 2)
