"""Caught by chain: another split than the recipe's, the same in sum."""

from tampering import edit_run


def tamper(folder):
    edit_run(folder, 0, reseal=True, train_images=3_400, val_images=600)
