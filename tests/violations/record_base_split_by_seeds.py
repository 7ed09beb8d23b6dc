"""Caught by ratchet: an entry of two seeds split into two entries of one."""

from tampering import commit, edit, rename


def tamper(folder):
    commit(folder)
    rename(folder, 1, "half", 0)
    edit(folder / "zoo.py", "seeds=2", "seeds=1")
    (folder / "zoo.py").write_text(
        (folder / "zoo.py").read_text()
        + "\nfrom dataclasses import replace\n"
        + "ZOO = (*ZOO, replace(ZOO[0], name='half'))\n"
    )
