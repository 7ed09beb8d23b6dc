"""Caught by ratchet: slack granted by the change that needs it."""

from tampering import commit, edit


def tamper(folder):
    commit(folder)
    edit(folder / "zoo.py", "BatchNorm, Budget,", "BatchNorm, Budget, Slack,")
    edit(folder / "zoo.py", "seeds=2,", "seeds=2, slack=Slack(misses_sd=3.0),")
