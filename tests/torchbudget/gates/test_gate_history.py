"""The history gate: what training could not have written is found."""

from dataclasses import dataclass, replace

import msgspec
import pytest
from untrained import observe_runs

from torchbudget.gates import judge
from torchbudget.report.verdict import Status
from utils.recipe import SWA, Constant, Cosine, OneCycle, ReduceOnPlateau


def row(run, **changes):
    """The run's history with its last row changed."""
    return [*run.history[:-1], msgspec.structs.replace(run.history[-1], **changes)]


def judged(entry, sample, *runs):
    return judge("history", entry, observe_runs(entry, runs, dataset=sample))


def test_a_run_as_recorded_passes(small_entry, sample, make_run):
    assert judged(small_entry, sample, make_run(small_entry)).status == Status.PASS


IMPOSSIBLE = {
    "a row is missing": (lambda run: {"history": run.history[:-1]}, "rows of history"),
    "a row too many": (lambda run: {"history": [*run.history, run.history[-1]]}, "rows of history"),
    "three passes": (lambda run: {"steps": 3 * run.steps}, "steps"),
    "another batch": (lambda run: {"batch_size": 10}, "steps"),
    "images from nowhere": (
        lambda run: {"train_images": run.train_images + 100},
        "the data set has",
    ),
    "no val": (lambda run: {"val": None}, "val is measured on 0"),
    "a second look": (lambda run: {"test_reads": 2}, "read 2 times"),
    "no time": (lambda run: {"started": "yesterday"}, "no time"),
    "time stood still": (lambda run: {"train_seconds": 0.5}, "whole training"),
    "more misses than images": (
        lambda run: {"history": row(run, val_misses=501)},
        "501 misses of 500",
    ),
    "no val loss": (lambda run: {"history": row(run, val_loss=None)}, "with 500 val images"),
    "loss below zero": (lambda run: {"history": row(run, train_loss=-0.1)}, "train loss"),
    "loss not finite": (lambda run: {"history": row(run, val_loss=float("inf"))}, "val loss"),
    "another rate": (lambda run: {"history": row(run, lr=0.06)}, "learning rate"),
    "too little loss": (lambda run: {"history": row(run, val_loss=1e-4)}, "too low for"),
    "an epoch in no time": (lambda run: {"history": row(run, seconds=0.0)}, "took 0.0 s"),
    "a day to come": (lambda run: {"started": "2999-01-01T00:00:00+00:00"}, "still to come"),
    "an end to come": (lambda run: {"total_seconds": 1e11}, "its end is still to come"),
    "before PyTorch": (lambda run: {"started": "1998-11-01T00:00:00+00:00"}, "before there was"),
    "another form of time": (lambda run: {"started": "20261101T000000+00:00"}, "no time"),
    "too many products": (lambda run: {"multiply_adds": 10**15}, "on any such hardware"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_training_could_not_have_written_fails(what, small_entry, sample, make_run):
    change, reason = IMPOSSIBLE[what]
    run = make_run(small_entry)
    verdict = judged(small_entry, sample, msgspec.structs.replace(run, **change(run)))
    assert verdict.status == Status.FAIL and reason in verdict.observed


@pytest.mark.parametrize("average", [None, SWA(start_epoch=1, lr=0.2)])
@pytest.mark.parametrize(
    "schedule",
    [OneCycle(max_lr=0.1), Cosine(lr=0.1), ReduceOnPlateau(lr=0.1, patience=0), Constant(lr=0.1)],
)
def test_the_rates_are_those_of_the_schedule_and_no_others(
    small_entry, sample, make_run, schedule, average
):
    recipe = replace(small_entry.recipe, schedule=schedule, average=average)
    entry = replace(small_entry, recipe=recipe)
    run = make_run(entry)
    assert judged(entry, sample, run).status == Status.PASS
    for number, epoch in enumerate(run.history):
        history = list(run.history)
        history[number] = msgspec.structs.replace(epoch, lr=epoch.lr + 1e-6)
        verdict = judged(entry, sample, msgspec.structs.replace(run, history=history))
        assert f"epoch {number + 1}: learning rate" in verdict.observed


@dataclass(frozen=True)
class Bounded:
    """A recipe of somebody's own loop, which says no more than between which its rates lie."""

    epochs: int = 2
    batch_size: int = 100
    val_images: int = 500

    def lr_range(self):
        return 0.01, 0.1


@pytest.mark.parametrize(
    ("lr", "status"), [(0.01, Status.PASS), (0.1, Status.PASS), (0.11, Status.FAIL)]
)
def test_a_recipe_that_gives_bounds_is_judged_by_them(small_entry, sample, make_run, lr, status):
    run = make_run(small_entry)
    entry = replace(small_entry, recipe=Bounded())
    edited = msgspec.structs.replace(run, history=row(run, lr=lr))
    assert judged(entry, sample, edited).status == status


def test_without_a_run_it_is_not_run(small_entry, sample):
    assert judged(small_entry, sample).status == Status.NOT_RUN
