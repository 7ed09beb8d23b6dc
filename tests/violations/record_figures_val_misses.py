"""Caught by claim: fewer val misses than the weights have."""

from tampering import edit_run, read_run


def tamper(folder):
    val = read_run(folder, 0)["val"]
    edit_run(folder, 0, reseal=True, val=val | {"misses": val["misses"] - 1})
