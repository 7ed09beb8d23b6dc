"""Caught by seeds: a run that looked at test before its end is no evidence."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, test_reads=3)
