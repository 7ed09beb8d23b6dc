"""Caught by ratchet: a budget loosened under a new name, the record and the weights renamed too."""

from tampering import commit, edit, rename


def tamper(folder):
    commit(folder)
    for seed in range(2):
        rename(folder, seed, "other")
    edit(folder / "zoo.py", 'name="tiny"', 'name="other"')
    edit(folder / "zoo.py", "max_misses=900", "max_misses=950")
