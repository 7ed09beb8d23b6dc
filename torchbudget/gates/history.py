"""The history of each run: complete, and such as training could have written it.

Misses are integers in the record, so a percentage that no integer of its total can give cannot be
written at all; what is judged here is that the integers, steps, rates and times agree.
"""

import math
from collections.abc import Iterator

from torchbudget.declare.entry import Ensemble, Entry, ScheduledRecipe, TrainingRecipe
from torchbudget.errors import Unmeasurable
from torchbudget.evidence.results import Epoch, Run
from torchbudget.gates.observation import Observation
from torchbudget.gates.times import CLOCK, find_impossible_dates, find_impossible_times
from torchbudget.report.verdict import Status, Verdict, not_applicable

ROUNDING = 1e-6
"""By how much a recorded loss may be off."""
RATE_ROUNDING = 1e-9
"""By how much a recorded rate may be off, and relative to it, between versions of a schedule."""


def judge_history(entry: Entry, observation: Observation) -> Verdict:
    """Every run's history has a row an epoch and is possible, and test was read once.

    Its numbers agree with the record and with the recipe, whose schedule gives the learning rate of
    every epoch. Its times are such as the hardware that it names could have taken, and its date is
    past.

    Why: a history that was cut, mended or invented hides what was tried; training leaves traces
    that add up.

    Fails: 18 epochs declared and 12 rows; 6 val misses of 5 images; a rate that the schedule does
    not give in that epoch; more steps than epochs x whole batches; a second look at test.

    Passes: 18 rows of finite losses, val misses of at most 5,000, 18 x 429 steps of 128 on 55,000
    images, test read once.
    """
    recipe = entry.recipe
    told = isinstance(entry, Ensemble) or isinstance(recipe, TrainingRecipe)
    runs = [run for run in observation.runs if run.dataset == entry.dataset and not run.overrides]
    if not runs and told:
        raise Unmeasurable(f"no evidence on {entry.dataset}", observation.renewal())
    reasons: list[str] = []
    for run in runs:
        contradictions = list(find_impossible_dates(run))
        if isinstance(entry, Ensemble):
            contradictions += find_contradictions(run, observation.trainings)
        else:
            contradictions += find_impossible_times(run)
            if told:
                contradictions += find_impossible(run, recipe, len(observation.dataset.train))
            else:
                contradictions += find_untold(run)
        reasons += [f"seed {run.seed}: {reason}" for reason in contradictions]
    if not told and not reasons:
        return not_applicable("history", "no recipe is declared: the training was not told")
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
    train_images = images - recipe.val_images
    batch = max(1, min(recipe.batch_size, train_images))
    steps = epochs * (train_images // batch)
    if run.test_reads != 1:
        yield f"test was read {run.test_reads} times"
    if len(run.history) != epochs:
        yield f"{len(run.history)} rows of history, recipe.epochs is {epochs}"
    if (run.batch_size, run.steps) != (batch, steps):
        yield f"{run.steps} steps x {run.batch_size}, the recipe gives {steps} x {batch}"
    if (run.train_images, run.val_images) != (train_images, recipe.val_images):
        yield (
            f"{run.train_images:,} training and {run.val_images:,} val images, "
            f"the data set has {images:,} for both"
        )
    num_measured = run.val.total if run.val else 0
    if num_measured != run.val_images:
        yield f"val is measured on {num_measured:,} images, the split has {run.val_images:,}"
    rows = [
        f"epoch {number}: {reason}"
        for number, row in enumerate(run.history, 1)
        for reason in find_impossible_in_row(row, run.val_images)
    ]
    yield from rows or find_other_rates(run, recipe, train_images // batch)


def find_other_rates(run: Run, recipe: TrainingRecipe, steps: int) -> Iterator[str]:
    """Which recorded rates the recipe does not give, with `steps` steps an epoch.

    A recipe that does not say the rate of every epoch says between which they lie.
    """
    if not isinstance(recipe, ScheduledRecipe):
        lowest, highest = recipe.lr_range()
        for number, row in enumerate(run.history, 1):
            if not lowest - ROUNDING <= row.lr <= highest + ROUNDING:
                yield (
                    f"epoch {number}: learning rate {row.lr}, "
                    f"the schedule gives {lowest:.3g} to {highest:.3g}"
                )
        return
    if len(run.history) != recipe.epochs or steps < 1:
        return
    rates = recipe.learning_rates(steps, [row.val_loss for row in run.history])
    if len(rates) != len(run.history):
        yield f"the recipe gives {len(rates)} learning rates for {len(run.history)} epochs"
        return
    for number, (row, rate) in enumerate(zip(run.history, rates, strict=True), 1):
        if not abs(row.lr - rate) <= RATE_ROUNDING * (1 + abs(rate)):
            yield f"epoch {number}: learning rate {row.lr}, the schedule gives {rate:.9g}"


def find_untold(run: Run) -> Iterator[str]:
    """What a run without a recipe cannot have recorded."""
    if run.test_reads != 1:
        yield f"test was read {run.test_reads} times"
    for number, row in enumerate(run.history, 1):
        for reason in find_impossible_in_row(row, run.val_images):
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


def find_impossible_in_row(row: Epoch, val_images: int) -> Iterator[str]:
    """What no epoch can have shown, with `val_images` images to measure val on."""
    if not math.isfinite(row.lr) or row.lr < 0:
        yield f"learning rate {row.lr}"
    if not (math.isfinite(row.train_loss) and row.train_loss >= 0):
        yield f"train loss {row.train_loss}"
    if row.val_loss is None or row.val_misses is None:
        if val_images or row.val_loss is not row.val_misses:
            yield f"val is {row.val_loss}, {row.val_misses} with {val_images:,} val images"
    elif not val_images:
        yield f"val is {row.val_loss}, {row.val_misses} with {val_images:,} val images"
    elif not math.isfinite(row.val_loss) or row.val_loss < 0 or row.val_misses > val_images:
        yield f"val loss {row.val_loss}, {row.val_misses} misses of {val_images:,}"
    elif row.val_loss + ROUNDING < math.log(2) * row.val_misses / val_images:
        yield (  # a missed image gives its class at most half of the probability
            f"val loss {row.val_loss}, too low for {row.val_misses} misses of {val_images:,}"
        )
