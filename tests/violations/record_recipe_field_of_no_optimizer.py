"""Caught by chain: a field that the optimizer does not have, deep in the recipe."""

from tampering import edit_run, read_run


def tamper(folder):
    recipe = read_run(folder, 0)["recipe"]
    recipe["optimizer"]["nothing"] = None
    edit_run(folder, 0, reseal=True, recipe=recipe)
