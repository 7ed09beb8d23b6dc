"""What a run puts on record of its training and of the one look at test."""

import time
from datetime import UTC, datetime

from torch import nn

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
        "multiply_adds": count_multiply_adds(network),
        "test_reads": 1,
        "val": val and Score(misses=val.misses, total=val.total),
        "test": Score(misses=test.misses, total=test.total),
        "test_without_views": None if plain is None else Score(misses=plain, total=test.total),
        "confusion": test.confusion,
        "missed": {str(index): digit for index, digit in test.missed.items()},
    }


# --- stand-in until the coordinator's record_run lands: take theirs at the merge --------------------


class Clock:  # noqa: F811
    def __init__(self):
        self.pair = start_clock()

    @classmethod
    def start(cls):
        return cls()


class RecordedRun:
    def __init__(self, run, test):
        self.run = run
        self.test = test


def record_run(entry, seed, network, *, dataset, train, val, steps, batch_size, seconds, history,
               precision, overrides, recipe, device, clock, results, weights):
    from torchbudget.evidence.results import run_stem
    from torchbudget.evidence.weights import round_weights, save_weights
    network = round_weights(network, entry.stored)
    claim = {"overrides": list(overrides), "recipe": describe(recipe), "precision": precision,
             "train_images": len(train), "val_images": len(val), "batch_size": batch_size,
             "steps": steps, "history": list(history), "train_seconds": round(seconds, 3)}
    path = weights / f"{run_stem(entry.name, seed, dataset.name, list(overrides))}.safetensors"
    digest = save_weights(path, network, entry.stored)
    return _observe(entry, seed, network, digest, dataset, claim, clock, train, val, device, results)


def record_ensemble(entry, members, *, results, weights, dataset, clock):
    from torchbudget.data.split import split_train_val
    from torchbudget.evidence.weights import load_shipped, weights_digest, weights_paths
    digest = weights_digest(weights_paths(entry, 0, weights, dataset.name))
    network = load_shipped(entry, 0, weights, dataset.name)
    train, val = split_train_val(dataset, members[0].val_images)
    claim = describe_members(entry, list(members))
    return _observe(entry, 0, network, digest, dataset, claim, clock, train, val, "cpu", results)


def _observe(entry, seed, network, digest, dataset, claim, clock, train, val, device, results):
    from torchbudget.evidence import machine
    from torchbudget.evidence.measure import measure
    from torchbudget.evidence.results import Digests, Hardware, append_run, seal
    from torchbudget.network.structure import network_digest
    from torchbudget.network.trace import build
    found_val = measure(network, val, views=entry.views) if len(val) else None
    found = measure(network, dataset.test, views=entry.views)
    run = Run(
        entry=entry.name, seed=seed, dataset=dataset.name, **claim,
        **describe_measurement(network, found_val, found), views=describe(entry.views),
        total_seconds=round(time.perf_counter() - clock.pair[0], 3), started=clock.pair[1],
        commit=machine.commit(results.parent), versions=machine.versions(),
        hardware=Hardware(**machine.hardware(device)),
        digests=Digests(network=network_digest(build(entry.network)), train=train.digest,
                        val=val.digest if len(val) else None, test=dataset.test.digest,
                        weights=digest, predictions=found.digest),
    )
    append_run(results, run)
    return RecordedRun(seal(run), found)
