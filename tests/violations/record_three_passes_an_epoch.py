"""Caught by epochs: an epoch that is three passes over the images."""

from tampering import edit_run, read_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, steps=3 * read_run(folder, 0)["steps"])
