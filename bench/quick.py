"""Is it slower than yesterday? This tree and an earlier commit, in turns, in three minutes.

The earlier commit is checked out into a folder of its own. Each round starts the same commands in
both trees, on the same data and with the same packages; the ratios of a round are of neighbours in
time, so that the machine's mood falls out of them.
"""

import functools
import json
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.choice import ROOT, Choice
from bench.startup import run_quietly, wall_seconds
from bench.stopwatch import show, spread, table, take_turns
from torchbudget.data.mnist import find_root
from torchbudget.errors import UsageError
from utils.trials import find_reach

SLOWER = 1.05
"""The ratio from which on a difference is worth a word."""
STEPS = """
import json, sys, torch
from pathlib import Path
from torchbudget.data.loading import load_dataset
from torchbudget.data.split import split_train_val
from torchbudget.declare.zoofile import load_zoo
from utils.training import Training
name, data, root = sys.argv[1:]
train, val = split_train_val(load_dataset(data, Path(root)), 100)
training = Training(load_zoo("zoo.py")[name], 0, train, val, torch.device("cpu"))
training.epoch()
training.epoch()
print(json.dumps(training.history[1].seconds))
"""
"""Prints the seconds of an epoch of a run; the one before it warms up."""


def measure(choice: Choice) -> dict:
    """Raises `UsageError` where git does not know the earlier commit, `CommandError`."""
    if choice.repeats < 2:
        raise UsageError("--quick needs --repeats 2 or more: one ratio has no spread")
    commit = find_commit(choice.since)
    with checked_out(commit) as earlier:
        sides = {"now": ROOT, "then": earlier}
        runs = {
            f"{side}: {name}": functools.partial(run, tree)
            for name, run in make_runs(choice).items()
            for side, tree in sides.items()
        }
        seconds = take_turns(runs, choice.repeats)
    names = dict.fromkeys(key.partition(": ")[2] for key in runs)
    return {
        "since": commit,
        "seconds": {key: spread(values) for key, values in seconds.items()},
        "ratios": {
            name: compare(seconds[f"now: {name}"], seconds[f"then: {name}"]) for name in names
        },
    }


def make_runs(choice: Choice) -> dict:
    """What is timed, by what it is called: a function of a tree that gives seconds."""
    name = choice.entry.name
    gates = [sys.executable, "check.py", name, "--only", "params,structure,cost"]
    return {
        f"an epoch of {name}": functools.partial(epoch_seconds, choice),
        "static gates": lambda tree: wall_seconds(gates, tree),
    }


def epoch_seconds(choice: Choice, tree: Path) -> float:
    root = find_root(choice.data_root).resolve()  # of the working folder, which is not the tree's
    words = [choice.entry.name, choice.data, str(root)]
    done = run_quietly([sys.executable, "-c", STEPS, *words], tree)
    return float(json.loads(done.stdout.splitlines()[-1]))


def find_commit(since: str | None) -> str:
    """The commit that `since` names; without it, the last one that is a day old."""
    if since:
        words = ["rev-parse", "--verify", "--quiet", f"{since}^{{commit}}"]
    else:
        words = ["rev-list", "-1", "--before=1.day", "HEAD"]
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, encoding="utf-8")
    if done.returncode or not done.stdout.strip():
        wanted = since or "a commit that is a day old"
        raise UsageError(f"git has not {wanted} to compare with; name one: --quick --since REF")
    return done.stdout.strip()


@contextmanager
def checked_out(commit: str) -> Iterator[Path]:
    """The tree of a commit in a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        run_quietly(["git", "worktree", "add", "--detach", "--quiet", str(tree), commit], ROOT)
        try:
            yield tree
        finally:
            run_quietly(["git", "worktree", "remove", "--force", str(tree)], ROOT)


def compare(now: list[float], then: list[float]) -> dict:
    """How many times as long it takes now: the mean ratio of the rounds, and its interval.

    Both are of logarithms, by Student's t.
    """
    logarithms = [math.log(one / other) for one, other in zip(now, then, strict=True)]
    mean, reach = statistics.mean(logarithms), find_reach(logarithms)
    low, high = mean - reach, mean + reach
    return {"mean": math.exp(mean), "low": math.exp(low), "high": math.exp(high)}


def judge(found: dict) -> str:
    """The answer, in a word or two."""
    if found["low"] > 1 and found["mean"] >= SLOWER:
        return "slower"
    if found["high"] < 1 and found["mean"] <= 1 / SLOWER:
        return "faster"
    return "no slower" if found["high"] < SLOWER else "not known: too noisy"


def describe(figures: dict) -> str:
    rows = [
        (
            name,
            show(figures["seconds"][f"then: {name}"]),
            show(figures["seconds"][f"now: {name}"]),
            f"{found['mean']:.2f} ({found['low']:.2f} to {found['high']:.2f})",
            judge(found),
        )
        for name, found in figures["ratios"].items()
    ]
    header = (f"since {figures['since'][:7]}", "s then", "s now", "ratio, 95 %", "it is")
    return table(header, rows)
