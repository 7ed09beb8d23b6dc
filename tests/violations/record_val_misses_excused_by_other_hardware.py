"""Caught by claim: val misses lowered by two, excused by another processor."""

from tampering import edit_run, read_run


def tamper(folder):
    run = read_run(folder, 0)
    hardware = run["hardware"] | {"device": "another"}
    val = run["val"] | {"misses": run["val"]["misses"] - 2}
    edit_run(folder, 0, reseal=True, hardware=hardware, val=val)
