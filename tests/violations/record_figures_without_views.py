"""Caught by claim: misses without views of an entry that has none."""

from tampering import edit_run, read_run


def tamper(folder):
    test = read_run(folder, 0)["test"]
    edit_run(folder, 0, reseal=True, test_without_views=test | {"misses": 1})
