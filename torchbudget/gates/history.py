"""The history of each run: complete, and such as training could have written it.

Misses are integers in the record, so a percentage that no integer of its total can give cannot be
written at all; what is judged here is that the integers, steps, rates and times agree.
"""

import math
from collections.abc import Iterator
from datetime import datetime

from torchbudget.declare.entry import Ensemble, Entry, TrainingRecipe
from torchbudget.errors import Unmeasurable
from torchbudget.evidence.results import Epoch, Run
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict, not_applicable

ROUNDING = 1e-6
CLOCK = 0.001
"""Seconds by which each rounded time may be off."""


def judge_history(entry: Entry, observation: Observation) -> Verdict:
    """Every run's history has a row an epoch and is possible, and test was read once.

    Its numbers agree with the record and with the recipe.

    Why: a history that was cut, mended or invented hides what was tried; training leaves traces
    that add up.

    Fails: 18 epochs declared and 12 rows; 6 val misses of 5 images; more steps than epochs x whole
    batches; a second look at test.

    Passes: 18 rows of finite losses, val misses of at most 5,000, 18 x 429 steps of 128 on 55,000
    images, test read once.
    """
    recipe = entry.recipe
    if not isinstance(entry, Ensemble) and not isinstance(recipe, TrainingRecipe):
        return not_applicable("history", "no recipe is declared: the training was not told")
    runs = [run for run in observation.runs if run.dataset == entry.dataset and not run.overrides]
    if not runs:
        raise Unmeasurable(f"no evidence on {entry.dataset}", observation.renewal())
    reasons: list[str] = []
    for run in runs:
        if isinstance(entry, Ensemble):
            contradictions = find_contradictions(run, observation.trainings)
        else:
            contradictions = find_impossible(run, recipe, len(observation.dataset.train))
        reasons += [f"seed {run.seed}: {reason}" for reason in contradictions]
    rows = sum(len(run.history) for run in runs)
    return Verdict(
        gate="history",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons) or f"{rows} epochs of {len(runs)} runs, test read once by each",
        expected="a row for each epoch, numbers that training can give, one look at test",
        remedy=f"a history is written by a run, never by hand: {observation.renewal()}",
        details=tuple(reasons),
    )


def find_impossible(run: Run, recipe: TrainingRecipe, images: int) -> Iterator[str]:
    """What no run of `recipe` on a data set of `images` training images could have recorded."""
    epochs = recipe.epochs
    batch = min(recipe.batch_size, run.train_images)
    steps = epochs * (run.train_images // batch)
    if run.test_reads != 1:
        yield f"test was read {run.test_reads} times"
    if len(run.history) != epochs:
        yield f"{len(run.history)} rows of history, recipe.epochs is {epochs}"
    if (run.batch_size, run.steps) != (batch, steps):
        yield f"{run.steps} steps x {run.batch_size}, the recipe gives {steps} x {batch}"
    whole = run.train_images + run.val_images == images
    if not whole or run.val_images != recipe.val_images:
        yield (
            f"{run.train_images:,} training and {run.val_images:,} val images, "
            f"the data set has {images:,} for both"
        )
    num_measured = run.val.total if run.val else 0
    if num_measured != run.val_images:
        yield f"val is measured on {num_measured:,} images, the split has {run.val_images:,}"
    if not is_time(run.started):
        yield f"started {run.started!r} is no time with an offset"
    summed = sum(row.seconds for row in run.history)
    if summed > (run.train_seconds or 0.0) + CLOCK * (len(run.history) + 1):
        yield (
            f"the epochs took {summed:.1f} s, the whole training {run.train_seconds or 0.0:.1f} s"
        )
    lowest, highest = recipe.lr_range()
    for number, row in enumerate(run.history, 1):
        for reason in find_impossible_in_row(row, run.val_images, lowest, highest):
            yield f"epoch {number}: {reason}"


def find_contradictions(run: Run, members: list[Run]) -> Iterator[str]:
    """How an ensemble's record does not fit the records of its members' trainings."""
    if run.test_reads != 1:
        yield f"test was read {run.test_reads} times"
    if run.history:
        yield f"{len(run.history)} rows of history; an ensemble is not trained, its members are"
    steps = sum(member.steps or 0 for member in members)
    if (run.steps or 0) != steps:
        yield f"{run.steps} steps, its members took {steps}"
    seconds = sum(member.train_seconds or 0.0 for member in members)
    if abs((run.train_seconds or 0.0) - seconds) > CLOCK * (len(members) + 1):
        yield f"{run.train_seconds} s of training, its members took {seconds:.1f} s"
    if run.batch_size not in {member.batch_size for member in members}:
        yield f"batch size {run.batch_size}, which no member has"


def find_impossible_in_row(
    row: Epoch, val_images: int, lowest: float, highest: float
) -> Iterator[str]:
    if not (math.isfinite(row.train_loss) and row.train_loss >= 0):
        yield f"train loss {row.train_loss}"
    if not lowest - ROUNDING <= row.lr <= highest + ROUNDING:
        yield f"learning rate {row.lr}, the schedule gives {lowest:.3g} to {highest:.3g}"
    if row.val_loss is None or row.val_misses is None:
        if val_images or row.val_loss is not row.val_misses:
            yield f"val is {row.val_loss}, {row.val_misses} with {val_images:,} val images"
    elif not val_images:
        yield f"val is {row.val_loss}, {row.val_misses} with {val_images:,} val images"
    elif not math.isfinite(row.val_loss) or row.val_loss < 0 or row.val_misses > val_images:
        yield f"val loss {row.val_loss}, {row.val_misses} misses of {val_images:,}"


def is_time(text: str) -> bool:
    """Whether the text is an ISO 8601 time with an offset."""
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
