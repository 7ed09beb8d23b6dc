"""Caught by claim: a prediction changed, excused by the name of another processor."""

from tampering import edit_run, read_run, right_one


def tamper(folder):
    hardware = read_run(folder, 0)["hardware"] | {"device": "another", "cpu": "another"}
    edit_run(folder, 0, reseal=True, hardware=hardware, **right_one(folder, 0))
