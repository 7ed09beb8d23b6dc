"""What a run puts on record of its training and of the one look at test."""

import time
from datetime import UTC, datetime

from torch import nn

from torchbudget.data.mnist import IMAGE
from torchbudget.declare.entry import Ensemble, describe
from torchbudget.evidence.measure import Measurement
from torchbudget.evidence.results import Run, Score
from torchbudget.network.structure import count_multiply_adds, count_params

Clock = tuple[float, str]
"""When a run began: seconds of a monotonic clock, and the time of day with its offset."""


def start_clock() -> Clock:
    return time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")


def describe_members(entry: Ensemble, members: list[Run]) -> dict[str, object]:
    """The steps and seconds of all members; what they share is the first one's."""
    return {
        "overrides": [],
        "recipe": describe(entry.recipe),
        "precision": members[0].precision,
        "train_images": members[0].train_images,
        "val_images": members[0].val_images,
        "batch_size": members[0].batch_size,
        "steps": sum(member.steps for member in members),
        "history": [],
        "train_seconds": round(sum(member.train_seconds for member in members), 3),
    }


def describe_measurement(
    network: nn.Module, val: Measurement | None, test: Measurement
) -> dict[str, object]:
    """The final weights: size, val, and the one look at test."""
    plain = test.misses_without_views
    return {
        "params": count_params(network),
        "multiply_adds": count_multiply_adds(network, IMAGE),
        "test_reads": 1,
        "val": val and Score(misses=val.misses, total=val.total),
        "test": Score(misses=test.misses, total=test.total),
        "test_without_views": None if plain is None else Score(misses=plain, total=test.total),
        "confusion": test.confusion,
        "missed": {str(index): digit for index, digit in test.missed.items()},
    }
