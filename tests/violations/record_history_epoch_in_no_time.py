"""Caught by history: an epoch that took no time."""

from tampering import edit_run, read_run


def tamper(folder):
    history = read_run(folder, 0)["history"]
    history[1]["seconds"] = 0.0
    edit_run(folder, 0, reseal=True, history=history)
