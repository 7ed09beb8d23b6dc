"""Caught by chain: an experiment with another learning rate relabelled as evidence."""

from tampering import edit_run, read_run


def tamper(folder):
    recipe = read_run(folder, 0)["recipe"]
    recipe["schedule"]["max_lr"] = 0.5
    edit_run(folder, 0, reseal=True, recipe=recipe)
