"""Caught by ratchet: an entry that the base had."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    edit(folder / "zoo.py", 'name="tiny"', 'name="other"')
    edit(folder / "zoo.py", "self.dropout(x).mean((2, 3))", "2 * self.dropout(x).mean((2, 3))")
