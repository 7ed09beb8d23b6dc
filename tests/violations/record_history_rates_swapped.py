"""Caught by history: the rates of two epochs swapped."""

from tampering import edit_run, read_run


def tamper(folder):
    history = read_run(folder, 0)["history"]
    history[0]["lr"], history[1]["lr"] = history[1]["lr"], history[0]["lr"]
    edit_run(folder, 0, reseal=True, history=history)
