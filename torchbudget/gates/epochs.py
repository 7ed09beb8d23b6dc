"""Epochs: passes over the training images, counted from the optimiser."""

import math

from torchbudget.declare.entry import Entry
from torchbudget.errors import Unmeasurable
from torchbudget.evidence.results import Run
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict, not_applicable

ROUNDING = 1e-9


def judge_epochs(entry: Entry, observation: Observation) -> Verdict:
    """Passes over the training images, counted from the optimiser's steps, keep `max_epochs`.

    They are fewer than the limit, and as many as the history has rows, where there is one.

    Why: an "epoch" is whatever a loop calls one. Steps x batch size / training images is what was
    trained.

    Fails: 18 rows of history with steps for 54 passes; or 20 epochs with `max_epochs=20`.

    Passes: 18 rows of history and 7,722 steps of 128 of 55,000 images, 17.97 epochs, with
    `max_epochs=20`.
    """
    limit = entry.budget.max_epochs
    if limit is None:
        return not_applicable("epochs", "the budget declares no max_epochs")
    runs = observation.trainings
    untold = [run for run in runs if run.epochs is None]
    if untold:
        raise Unmeasurable(
            f"the record of {untold[0].entry}, seed {untold[0].seed}, does not say how many steps "
            "of which batch size it was trained for",
            "record the run again with its steps and batch size (--steps, --batch-size)",
        )
    most = max(runs, key=lambda run: run.epochs or 0.0)
    epochs = most.epochs or 0.0
    reasons = [
        f"seed {run.seed}: {len(run.history)} epochs in the history, "
        f"{run.epochs:.2f} from its steps"
        for run in runs
        if contradicts_history(run)
    ]
    if epochs >= limit:
        reasons.append(f"seed {most.seed}: {count(most)} = {epochs:.2f} epochs")
    return Verdict(
        gate="epochs",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons) or f"{epochs:.2f} ({count(most)})",
        expected=f"fewer than {limit}, one row of history each",
        difference=f"{epochs - limit:+.2f}",
        field="max_epochs",
        remedy=f"train for fewer epochs; {observation.renewal(most.seed)}",
    )


def contradicts_history(run: Run) -> bool:
    """Whether the history has another number of rows than the steps give epochs.

    A run whose training was not told has no history to contradict.
    """
    told = bool(run.recipe) or bool(run.history)
    return told and len(run.history) != math.ceil((run.epochs or 0.0) - ROUNDING)


def count(run: Run) -> str:
    return f"{run.steps:,} steps x {run.batch_size} / {run.train_images:,} images"
