"""Caught by history: a negative cross-entropy."""

from tampering import edit_run, read_run


def tamper(folder):
    history = read_run(folder, 0)["history"]
    history[0]["train_loss"] = -0.1
    edit_run(folder, 0, reseal=True, history=history)
