"""The history gate: what training could not have written is found."""

from dataclasses import replace

import msgspec
import pytest
from untrained import observe_runs

from torchbudget.gates import judge
from torchbudget.report.verdict import Status
from utils.recipe import SWA
from utils.steps import OneCycle


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
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
def test_what_training_could_not_have_written_fails(what, small_entry, sample, make_run):
    change, reason = IMPOSSIBLE[what]
    run = make_run(small_entry)
    verdict = judged(small_entry, sample, msgspec.structs.replace(run, **change(run)))
    assert verdict.status == Status.FAIL and reason in verdict.observed


def test_the_rates_of_a_schedule_include_those_of_averaging(small_entry, sample, make_run):
    recipe = replace(small_entry.recipe, schedule=OneCycle(max_lr=0.1), average=SWA(lr=0.2))
    entry = replace(small_entry, recipe=recipe)
    run = make_run(small_entry)
    for lr, status in (
        (0.1, Status.PASS),
        (0.2, Status.PASS),
        (0.21, Status.FAIL),
        (0.0, Status.PASS),
    ):
        assert (
            judged(entry, sample, msgspec.structs.replace(run, history=row(run, lr=lr))).status
            == status
        )


def test_without_a_run_it_is_not_run(small_entry, sample):
    assert judged(small_entry, sample).status == Status.NOT_RUN
