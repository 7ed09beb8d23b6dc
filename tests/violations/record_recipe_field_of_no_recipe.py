"""Caught by chain: a field that no recipe has, which is null."""

from tampering import edit_run, read_run


def tamper(folder):
    recipe = read_run(folder, 0)["recipe"] | {"pretrained": None}
    edit_run(folder, 0, reseal=True, recipe=recipe)
