"""The history of each run: complete, and such as training could have written it.

Misses are integers in the record, so a percentage that no integer of its total can give, or a val accuracy finer than the val set
allows, cannot be written at all; what is judged here is that the integers, steps, rates and times agree with each other.
"""

import math
from collections.abc import Iterator
from datetime import datetime

from torchbudget.declare.entry import Entry
from torchbudget.errors import Unmeasurable
from torchbudget.evidence.results import Epoch, Run
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict

ROUNDING = 1e-6


def judge_history(entry: Entry, seen: Observation) -> Verdict:
    """Every run's history has a row an epoch, its numbers are possible and agree with the record, and test was read once.

    Why: a history that was cut, mended or invented hides what was tried; training leaves traces that add up.
    Fails: 18 epochs declared and 12 rows; 6 val misses of 5 images; more steps than epochs x whole batches; a second look at test.
    Passes: 18 rows of finite losses, val misses of at most 5,000, 18 x 429 steps of 128 on 55,000 images, test read once.
    """
    runs = [run for run in seen.runs if run.dataset == entry.dataset and not run.overrides]
    if not runs:
        raise Unmeasurable(
            f"no evidence on {entry.dataset}", f"make train ENTRY={entry.name} SEED=0"
        )
    images = len(seen.dataset.train)
    found = {
        run.seed: impossible_tally(run, seen.trainings)
        if entry.voters
        else impossibilities(run, images)
        for run in runs
    }
    reasons = tuple(f"seed {seed}: {reason}" for seed, each in found.items() for reason in each)
    rows = sum(len(run.history) for run in runs)
    return Verdict(
        gate="history",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons) or f"{rows} epochs of {len(runs)} runs, test read once by each",
        expected="a row for each epoch, numbers that training can give, one look at test",
        remedy=f"make train ENTRY={entry.name}: a history is written by a run, never by hand",
        details=reasons,
    )


def impossibilities(run: Run, images: int) -> Iterator[str]:
    """What no run of `run.recipe` on a data set of `images` training images could have recorded."""
    epochs, batch = run.recipe["epochs"], min(run.recipe["batch_size"], run.train_images)
    steps = epochs * (run.train_images // batch)
    if run.test_reads != 1:
        yield f"test was read {run.test_reads} times"
    if len(run.history) != epochs:
        yield f"{len(run.history)} rows of history, recipe.epochs is {epochs}"
    if run.batch_size != batch or run.steps != steps:
        yield f"{run.steps:,} steps x {run.batch_size}, the recipe gives {steps:,} x {batch}"
    if run.train_images + run.val_images != images or run.val_images != run.recipe["val_images"]:
        yield f"{run.train_images:,} training and {run.val_images:,} val images, the data set has {images:,} for both"
    if (run.val is not None) != (run.val_images > 0) or (
        run.val and run.val.total != run.val_images
    ):
        yield f"val is measured on {run.val.total if run.val else 0:,} images, the split has {run.val_images:,}"
    if not _is_time(run.started):
        yield f"started {run.started!r} is no time with an offset"
    if sum(row.seconds for row in run.history) > run.train_seconds + 0.001 * (len(run.history) + 1):
        yield f"the epochs took {sum(row.seconds for row in run.history):.1f} s, the whole training {run.train_seconds:.1f} s"
    least, most = learning_rates(run.recipe)
    for number, row in enumerate(run.history, 1):
        yield from (
            f"epoch {number}: {reason}"
            for reason in _impossible_row(row, run.val_images, least, most)
        )


def impossible_tally(run: Run, members: list[Run]) -> Iterator[str]:
    """How an ensemble's record does not fit the records of its members' trainings."""
    if run.test_reads != 1:
        yield f"test was read {run.test_reads} times"
    if run.history:
        yield f"{len(run.history)} rows of history; an ensemble is not trained, its members are"
    steps, seconds = (
        sum(member.steps for member in members),
        sum(member.train_seconds for member in members),
    )
    if run.steps != steps:
        yield f"{run.steps:,} steps, its members took {steps:,}"
    if abs(run.train_seconds - seconds) > 0.001 * (len(members) + 1):
        yield f"{run.train_seconds:.1f} s of training, its members took {seconds:.1f} s"
    if run.batch_size not in {member.batch_size for member in members}:
        yield f"batch size {run.batch_size}, which no member has"


def _impossible_row(row: Epoch, val_images: int, least: float, most: float) -> Iterator[str]:
    if not (math.isfinite(row.train_loss) and row.train_loss >= 0):
        yield f"train loss {row.train_loss}"
    if not least - ROUNDING <= row.lr <= most + ROUNDING:
        yield f"learning rate {row.lr}, the schedule gives {least:.3g} to {most:.3g}"
    if (row.val_loss is None) != (not val_images) or (row.val_misses is None) != (not val_images):
        yield f"val is {row.val_loss}, {row.val_misses} with {val_images:,} val images"
    elif val_images and not (
        math.isfinite(row.val_loss) and row.val_loss >= 0 and row.val_misses <= val_images
    ):
        yield f"val loss {row.val_loss}, {row.val_misses} misses of {val_images:,}"


def learning_rates(recipe: dict) -> tuple[float, float]:
    """The least and the greatest rate that a described recipe's schedule and weight averaging can reach."""
    schedule, average = recipe["schedule"], recipe.get("average") or {}
    most = schedule["max_lr"] if schedule["kind"] == "OneCycle" else schedule["lr"]
    least = {
        "OneCycle": lambda: most / schedule["div_factor"] / schedule["final_div_factor"],
        "Cosine": lambda: schedule["min_lr"],
        "Constant": lambda: most,
        "ReduceOnPlateau": lambda: 0.0,
    }[schedule["kind"]]()
    rates = [least, most, *([average["lr"]] if average.get("kind") == "SWA" else [])]
    return min(rates), max(rates)


def _is_time(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
