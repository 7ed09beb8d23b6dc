"""Caught by ratchet: a budget loosened under a new name, of which nothing was recorded yet."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    (folder / "results.json").unlink()
    edit(folder / "zoo.py", 'name="tiny"', 'name="other"')
    edit(folder / "zoo.py", "max_params=5_000", "max_params=6_000")
