"""Measurement 1: one epoch of the same network, through the published pipeline and through ours; evaluation is off the clock for both.

Ours is measured with the published augmentation (`net3`) and with the recipe that ends with fewer misses (`net3_patches`), on all training images.

Both run in one process. What `Training` sets for a process, such as keeping freed memory, is set before either is timed: the published side has it too.
"""

import functools

import torch

from bench.choice import Choice
from bench.published import Published
from bench.stopwatch import ratio, show, spread, table, take_turns
from torchbudget.data.images import Dataset
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from utils.training import Training

ENTRIES = ("net3", "net3_patches")
WORKERS = (0, 2)


def our_epoch(entry: Entry, dataset: Dataset, seed: int = 0) -> float:
    """Seconds of the first epoch of a run of `entry` on all training images."""
    training = Training(entry, seed, *split_train_val(dataset, 0), torch.device("cpu"))
    training.epoch()
    return training.seconds


def measure(choice: Choice) -> dict:
    """One round warms up and finds the number of workers that suits the published pipeline; it then takes turns with ours."""
    dataset, entries = choice.dataset, [choice.zoo[name] for name in ENTRIES]
    for entry in entries:
        our_epoch(entry, dataset)
    warm = {workers: Published(dataset.train, num_workers=workers).epoch() for workers in WORKERS}
    best = min(warm, key=warm.get)
    ours = {entry.name: functools.partial(our_epoch, entry, dataset) for entry in entries}
    found = take_turns(
        {"published": lambda: Published(dataset.train, num_workers=best).epoch()} | ours,
        choice.repeats,
    )
    return {
        "images": len(dataset.train),
        "seconds": {name: spread(values) for name, values in found.items()},
        "published_num_workers": best,
        "published_once_by_num_workers": warm,
        "ratio": {name: ratio(found["published"], found[name]) for name in ours},
    }


def describe(figures: dict) -> str:
    rows = [
        (f"published, {workers} workers, once", f"{seconds:.2f}")
        for workers, seconds in figures["published_once_by_num_workers"].items()
    ]
    rows += [
        (
            f"published, {figures['published_num_workers']} workers",
            show(figures["seconds"]["published"]),
        )
    ]
    for name, found in figures["ratio"].items():
        rows += [
            (f"ours, {name}", show(figures["seconds"][name])),
            (f"published / {name}", show(found)),
        ]
    return table((f"one epoch, {figures['images']:,} images", "seconds"), rows)
