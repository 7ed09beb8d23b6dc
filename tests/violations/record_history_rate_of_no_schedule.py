"""Caught by history: a rate between the schedule's bounds that it does not give."""

from tampering import edit_run, read_run


def tamper(folder):
    history = read_run(folder, 0)["history"]
    history[0]["lr"] *= 0.9
    edit_run(folder, 0, reseal=True, history=history)
