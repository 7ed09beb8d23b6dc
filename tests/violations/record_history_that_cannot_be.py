"""Caught by history: more val misses than val images."""

from tampering import edit_run, read_run


def tamper(folder):
    history = read_run(folder, 0)["history"]
    history[0]["val_misses"] = 501
    edit_run(folder, 0, reseal=True, history=history)
