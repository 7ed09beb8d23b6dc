"""Passes over the training images, counted from the optimiser."""

import math

from torchbudget.declare.entry import Entry
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict


def judge_epochs(entry: Entry, seen: Observation) -> Verdict:
    """Passes over the training images, counted from the optimiser's steps, are fewer than `budget.max_epochs` and as many as recorded.

    Why: an "epoch" is whatever a loop calls one. Steps x batch / training images is what was trained.

    Fails: 18 rows of history with steps for 54 passes; or 20 epochs with `max_epochs=20`.

    Passes: 18 rows of history and 7,722 steps of 128 of 55,000 images, 17.97 epochs, with `max_epochs=20`.
    """
    runs = seen.trainings
    most = max(runs, key=lambda run: run.epochs)
    limit = entry.budget.max_epochs
    reasons = [
        f"seed {run.seed}: {len(run.history)} epochs in the history, {run.epochs:.2f} from its steps"
        for run in runs
        if len(run.history) != math.ceil(run.epochs - 1e-9)
    ]
    if most.epochs >= limit:
        reasons.append(
            f"seed {most.seed}: {most.steps:,} steps x {most.batch_size} / {most.train_images:,} images = {most.epochs:.2f} epochs"
        )
    return Verdict(
        gate="epochs",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons)
        or f"{most.epochs:.2f} ({most.steps:,} steps x {most.batch_size} / {most.train_images:,} images)",
        expected=f"fewer than {limit}, one row of history each",
        difference=f"{most.epochs - limit:+.2f}",
        field="max_epochs",
        remedy=f"shorten recipe.epochs and train again: make train ENTRY={entry.name}",
    )
