"""Caught by history: a val loss too low for its val misses."""

from tampering import edit_run, read_run


def tamper(folder):
    history = read_run(folder, 0)["history"]
    history[0]["val_loss"] = 1e-6
    edit_run(folder, 0, reseal=True, history=history)
