"""Caught by leak: a teacher whose record names other training images than its recipe has."""

from tampering import add_pupil, edit_run, read_run


def tamper(folder):
    add_pupil(folder)
    digests = read_run(folder, 0)["digests"] | {"train": "0" * 64}
    edit_run(folder, 0, reseal=True, digests=digests)
