"""Caught by history: an epoch longer than the whole training."""

from tampering import edit_run, read_run


def tamper(folder):
    history = read_run(folder, 0)["history"]
    history[1]["seconds"] += 1e6
    edit_run(folder, 0, reseal=True, history=history)
