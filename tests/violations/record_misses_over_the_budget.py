"""Caught by accuracy: a network that misses one image too many."""

from tampering import edit, read_run


def tamper(folder):
    worst = max(read_run(folder, seed)["test"]["misses"] for seed in (0, 1))
    edit(folder / "zoo.py", "max_misses=900", f"max_misses={worst - 1}")
