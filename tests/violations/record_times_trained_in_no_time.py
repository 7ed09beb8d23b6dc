"""Caught by history: a training that took less time than any hardware takes."""

from tampering import edit_run, read_run


def tamper(folder):
    history = [row | {"seconds": 0.0} for row in read_run(folder, 0)["history"]]
    edit_run(folder, 0, reseal=True, history=history, train_seconds=0.0, steps=10**6)
