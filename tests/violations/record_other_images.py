"""Caught by chain: a record of other training images, sealed anew."""

from tampering import edit_run, read_run


def tamper(folder):
    digests = read_run(folder, 0)["digests"] | {"train": "0" * 64}
    edit_run(folder, 0, reseal=True, digests=digests)
