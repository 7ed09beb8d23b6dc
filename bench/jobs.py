"""Measurement 7: the seeds of two entries, two runs at once against one after the other.

Both are whole commands, from start to end. `--jobs 1` trains in one process with as many threads as
torch takes, `--jobs 2` in two workers of half the cores each. Each is run once: it is the mean of
many runs already.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from bench.choice import ROOT, Choice, cut_short
from bench.startup import wall_seconds
from bench.stopwatch import BAR, show, spread, table
from torchbudget.data.loading import load_dataset, named
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import ZooError
from torchbudget.evidence.results import read_results
from utils.runs import scale_val

ENTRIES = ("sprint", "slim")
ZOO = """
import sys
from pathlib import Path

sys.path.insert(0, {root!r})
from bench.jobs import cut_zoo

ZOO = cut_zoo({names!r}, {seeds!r}, {epochs!r}, {data!r})
"""


def cut_zoo(names: list[str], seeds: int, epochs: int | None, data: str) -> tuple[Entry, ...]:
    """These entries of the zoo, with fewer seeds and epochs, on other data."""
    zoo = load_zoo(ROOT / "zoo.py", served=("utils",))
    spec = named(data)
    entries = []
    for entry in (zoo[name] for name in names):
        budget = replace(entry.budget, seeds=min(seeds, entry.budget.seeds))
        recipe = replace(
            cut_short(entry.recipe, epochs), val_images=scale_val(entry, load_dataset(spec))
        )
        entries.append(replace(entry, budget=budget, recipe=recipe, data=spec))
    return tuple(entries)


def choose_entries(choice: Choice) -> list[str]:
    """`--entry`, or both; raises `ZooError` for an ensemble."""
    names = [choice.named] if choice.named else list(ENTRIES)
    for name in names:
        if isinstance(choice.zoo[name], Ensemble):
            raise ZooError(f"{name} is an ensemble; --entry names an entry that is trained itself")
    return names


def measure_entry(name: str, choice: Choice, num_jobs: int) -> dict:
    """Train all seeds of an entry by `train.py --all`, and count the seconds."""
    with tempfile.TemporaryDirectory() as place:
        zoo_file = Path(place) / "zoo.py"
        words = {"names": [name], "seeds": choice.seeds, "epochs": choice.epochs}
        text = ZOO.format(root=str(ROOT), data=choice.data, **words)
        zoo_file.write_text(text, encoding="utf-8")
        command = [sys.executable, "train.py", "--all", "--zoo", str(zoo_file)]
        command += ["--jobs", str(num_jobs)]
        seconds = wall_seconds([*command, *choice.words_of_root], ROOT)
        runs = read_results(zoo_file.parent / "results.json")
    return {
        "seconds": seconds,
        "num_runs": len(runs),
        "train_seconds": spread([run.train_seconds for run in runs]),
        "threads": runs[0].hardware.threads,
    }


def measure(choice: Choice) -> dict:
    names = choose_entries(choice)
    turns = [(name, num_jobs) for name in names for num_jobs in (1, 2)]
    sides = {}
    with tqdm(turns, bar_format=BAR, leave=False, disable=None) as bar:
        for name, num_jobs in bar:
            bar.set_description(f"{name}, --jobs {num_jobs}")
            sides[name, num_jobs] = measure_entry(name, choice, num_jobs)
    figures = {}
    for name in names:
        one, two = sides[name, 1], sides[name, 2]
        figures[name] = {"one": one, "two": two, "ratio": one["seconds"] / two["seconds"]}
    return figures


def describe(figures: dict) -> str:
    rows = []
    for name, found in figures.items():
        for label, key in (("--jobs 1", "one"), ("--jobs 2", "two")):
            side = found[key]
            threads = "1 thread" if side["threads"] == 1 else f"{side['threads']} threads"
            label = f"{name}, {side['num_runs']} seeds, {label}, {threads} each"
            rows.append((label, f"{side['seconds']:.1f}", show(side["train_seconds"])))
        rows.append((f"{name}: --jobs 1 / --jobs 2", f"{found['ratio']:.2f}", ""))
    return table(("runs", "seconds for all", "seconds of training, a run"), rows)
