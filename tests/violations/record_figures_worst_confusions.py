"""Caught by claim: largest errors beside a whole matrix."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, worst_confusions=[[0, 1, 1]])
