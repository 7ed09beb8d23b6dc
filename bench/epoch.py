"""Measurement 1: one epoch of the same network through the published pipeline and through ours.

Both train on all training images, and evaluation is not timed. Ours is measured with the published
augmentation (`net3`) and with the recipe that ends with fewer misses (`net3_patches`).

Both run in one process. `Training` changes settings of the process, such as keeping freed memory.
It does so before either is timed, so the published pipeline profits from them too.
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
    """Time both pipelines in turns, after one round that warms up.

    That round also finds the number of workers with which the published pipeline is fastest.
    """
    dataset = choice.dataset
    entries = [choice.zoo[name] for name in ENTRIES]
    for entry in entries:
        our_epoch(entry, dataset)
    warm = {workers: Published(dataset.train, num_workers=workers).epoch() for workers in WORKERS}
    best = min(warm, key=warm.get)
    runs = {"published": lambda: Published(dataset.train, num_workers=best).epoch()}
    for entry in entries:
        runs[entry.name] = functools.partial(our_epoch, entry, dataset)
    seconds = take_turns(runs, choice.repeats)
    return {
        "images": len(dataset.train),
        "seconds": {name: spread(values) for name, values in seconds.items()},
        "published_num_workers": best,
        "published_once_by_num_workers": warm,
        "ratio": {name: ratio(seconds["published"], seconds[name]) for name in ENTRIES},
    }


def describe(figures: dict) -> str:
    rows = [
        (f"published, {workers} workers, once", f"{seconds:.2f}")
        for workers, seconds in figures["published_once_by_num_workers"].items()
    ]
    workers = figures["published_num_workers"]
    rows.append((f"published, {workers} workers", show(figures["seconds"]["published"])))
    for name, times in figures["ratio"].items():
        rows.append((f"ours, {name}", show(figures["seconds"][name])))
        rows.append((f"published / {name}", show(times)))
    return table((f"one epoch, {figures['images']:,} images", "seconds"), rows)
