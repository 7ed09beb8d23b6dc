"""Caught by chain: another normalisation than the data set's."""

from tampering import edit_run


def tamper(folder):
    image = {"shape": [1, 28, 28], "num_classes": 10, "mean": [0.5], "std": [0.5]}
    edit_run(folder, 0, reseal=True, image=image)
