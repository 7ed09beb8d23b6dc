"""Measurement 3: seconds of each part of training, and its share of the machine's peak.

The calls that `Training` makes are timed from outside, so the code that trains is unchanged.
"""

import functools
import statistics
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice
from unittest.mock import patch

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

from bench.choice import Choice
from bench.peak import describe_peak, measure_bandwidth, measure_peak
from bench.stopwatch import show, spread, table
from torchbudget.data.images import Dataset
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from utils.training import Training

PARTS = ("augmentation", "forward", "backward", "optimiser", "the rest")


def timed(call: Callable, part: str, spent: Counter) -> Callable:
    """`call`, which also adds its seconds to `spent`.

    `functools.wraps` keeps the attributes by which an LR scheduler recognises its optimiser.
    """

    @functools.wraps(call)
    def watched(*args: object, **kwargs: object) -> object:
        started = time.perf_counter()
        try:
            return call(*args, **kwargs)
        finally:
            spent[part] += time.perf_counter() - started

    return watched


@contextmanager
def watch(training: Training, spent: Counter) -> Iterator[None]:
    """Add the seconds of each part to `spent`; "augmentation" is the wait for the next batch."""
    batches = training.batches

    def watched_batches() -> Iterator:
        source = iter(batches())
        fetch = timed(lambda: next(source, None), "augmentation", spent)
        while (batch := fetch()) is not None:
            yield batch

    with (
        patch.object(training, "batches", watched_batches),
        patch.object(
            training.network, "forward", timed(training.network.forward, "forward", spent)
        ),
        patch.object(
            training.optimizer, "step", timed(training.optimizer.step, "optimiser", spent)
        ),
        patch.object(torch.Tensor, "backward", timed(torch.Tensor.backward, "backward", spent)),
    ):
        yield


def epochs_of(entry: Entry, dataset: Dataset) -> Iterator[Training]:
    """A run, yielded before each of its epochs; after its last epoch the next seed's run.

    All images are trained on: val is not timed. Raises `ValueError` for a recipe that needs val.
    """
    entry = replace(entry, recipe=replace(entry.recipe, val_images=0))
    train, val = split_train_val(dataset, 0)
    seed = 0
    while True:
        training = Training(entry, seed, train, val, torch.device("cpu"))
        for _ in range(entry.recipe.epochs):
            yield training
        seed += 1


def time_parts(training: Training) -> dict[str, float]:
    """Seconds of each part of one epoch."""
    spent = Counter()
    before = training.seconds
    with watch(training, spent):
        training.epoch()
    seconds = training.seconds - before
    return {part: spent[part] for part in PARTS[:-1]} | {
        "the rest": seconds - spent.total(),
        "all": seconds,
    }


class BytesMode(TorchDispatchMode):
    """Counts the bytes of all tensors that operations take and give, but for those of views.

    It is what memory would move without any cache: an upper bound of what it does move.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(
        self,
        operation: torch._ops.OpOverload,
        types: tuple[type, ...],
        args: tuple = (),
        kwargs: dict | None = None,
    ) -> object:
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            for value in tree_leaves((args, kwargs, result)):
                if isinstance(value, torch.Tensor):
                    self.total += value.numel() * value.element_size()
        return result


def count(training: Training) -> tuple[int, int]:
    """Of one epoch: the operations of convolutions and matrix products, forward and backward.

    A multiply-add is two operations. Second, the bytes that all operations take and give.
    """
    with FlopCounterMode(display=False) as operations, BytesMode() as moved:
        training.epoch()
    return operations.get_total_flops(), moved.total


def count_epochs(entry: Entry, dataset: Dataset, number: int) -> list[tuple[int, int]]:
    """What `count` says of each of the first `number` epochs: a frozen part makes it less."""
    return [count(training) for training in islice(epochs_of(entry, dataset), number)]


def measure(choice: Choice) -> dict:
    """Time the first epochs of a run, one by one.

    Another run before them warms up; the operations and bytes of its epochs are counted.
    """
    entry, dataset = choice.entry, choice.dataset
    counted = count_epochs(entry, dataset, min(choice.repeats, entry.recipe.epochs))
    rows = [
        time_parts(training) | {"operations": operations, "bytes": moved}
        for training, (operations, moved) in zip(
            islice(epochs_of(entry, dataset), choice.repeats), cycle(counted), strict=False
        )
    ]
    peak = measure_peak(choice.repeats)
    most = max(peak.values())
    bandwidth = measure_bandwidth(choice.repeats)
    return {
        "entry": entry.name,
        "seconds": {part: spread([row[part] for row in rows]) for part in (*PARTS, "all")},
        "shares": {part: spread([row[part] / row["all"] for row in rows]) for part in PARTS},
        "operations": statistics.fmean(row["operations"] for row in rows),
        "peak": peak,
        "share_of_peak": spread([row["operations"] / row["all"] / most for row in rows]),
        "share_of_peak_in_network": spread(
            [row["operations"] / (row["forward"] + row["backward"]) / most for row in rows]
        ),
        "bytes": statistics.fmean(row["bytes"] for row in rows),
        "bandwidth": bandwidth,
        "share_of_bandwidth": spread([row["bytes"] / row["all"] / bandwidth for row in rows]),
    }


def describe(figures: dict) -> str:
    per_cent = {
        part: {key: 100 * shares[key] for key in ("median", "lowest", "highest")}
        for part, shares in figures["shares"].items()
    }
    rows = [
        (part, show(figures["seconds"][part], digits=3), show(per_cent[part], digits=1))
        for part in PARTS
    ]
    rows.append(("all", show(figures["seconds"]["all"], digits=3), "100.0"))
    whole = figures["share_of_peak"]["median"]
    network = figures["share_of_peak_in_network"]["median"]
    used = (
        f"{figures['operations'] / 1e9:,.0f} Gop an epoch: {whole:.1%} of the higher peak\n"
        f"over the epoch, {network:.1%} in forward and backward"
    )
    memory = (
        f"{figures['bytes'] / 1e9:,.1f} GB an epoch taken and given by operations: "
        f"{figures['share_of_bandwidth']['median']:.1%} of\nthe bandwidth of a large copy, "
        f"{figures['bandwidth'] / 1e9:,.0f} GB/s, if no cache held any of it"
    )
    parts = table((f"{figures['entry']}, an epoch", "seconds", "per cent"), rows)
    return "\n".join([parts, describe_peak(figures["peak"]), used, memory])
