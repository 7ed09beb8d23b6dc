"""A zoo whose record is sealed and true, of weights that were never trained: cheap to make, and to observe without check.py."""

import functools
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec
from conftest import RunMaker

from torchbudget.data.images import Dataset
from torchbudget.data.mnist import load_mnist_sample
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence import machine
from torchbudget.evidence.results import Run, append_run, read_results, seal
from torchbudget.gates.observation import Observation

HERE = (machine.device_name("cpu"), machine.installed_version("torch"))
"""The platform that the runs name."""


def make_zoo(folder: Path) -> Path:
    """`folder` with `zoo.py` (one entry, `tiny`, two seeds), its results.json and weights/."""
    shutil.copy(Path(__file__).with_name("tiny_zoo.py"), folder / "zoo.py")
    (entry,) = load_zoo(folder / "zoo.py").values()
    for seed in range(entry.budget.seeds):
        append_run(folder / "results.json", RunMaker(folder / "weights")(entry, seed))
    return folder


def read_entry(folder: Path) -> Entry:
    """The zoo's entry, with a budget that even its first weights keep."""
    (entry,) = load_zoo(folder / "zoo.py").values()
    return replace(entry, budget=replace(entry.budget, max_misses=1_000))


def observe(folder: Path, runs: list[Run] | None = None, entry: Entry | None = None) -> Observation:
    """What there is to observe of the zoo in `folder`, with other runs or another entry where they are given."""
    runs = read_results(folder / "results.json") if runs is None else runs
    return Observation(entry or read_entry(folder), runs, folder / "weights", _load, HERE)


@functools.cache
def _load(name: str) -> Dataset:
    return {"mnist_sample": load_mnist_sample}[name]()


def change(run: Run, **changes: object) -> Run:
    """The run, changed and sealed again."""
    return seal(msgspec.structs.replace(run, **changes))
