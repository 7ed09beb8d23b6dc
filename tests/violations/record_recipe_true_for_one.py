"""Caught by chain: a truth value in place of the number 0."""

from tampering import edit_run, read_run


def tamper(folder):
    recipe = read_run(folder, 0)["recipe"]
    recipe["label_smoothing"] = False
    edit_run(folder, 0, reseal=True, recipe=recipe)
