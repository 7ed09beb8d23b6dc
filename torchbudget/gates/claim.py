"""Whether network and weights give, here and now, the figures that the record claims."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from torchbudget.declare.entry import Entry
from torchbudget.evidence.measure import (
    Measurement,
    count_confusion,
    list_confusions,
    predictions_digest,
)
from torchbudget.evidence.results import Run, Score
from torchbudget.evidence.rounding import Flip, is_excused, list_flips, rounding_margin
from torchbudget.gates.listing import join_first
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict


@dataclass(frozen=True)
class Reproduction:
    """What the weights of a run give here.

    `val` is None where the recipe holds out no images. A prediction may differ from the recorded
    one where its two logits are closer than `margin`, relative to the image's largest logit.
    """

    params: int
    multiply_adds: int
    test: Measurement
    val: Measurement | None
    margin: float


def judge_claim(entry: Entry, observation: Observation) -> Verdict:
    """The record's sizes, misses, confusion matrix and predictions are what the weights give here.

    On other hardware a prediction may flip where its two logits are as close as rounding can make
    them.

    Why: a record is a claim. The weights are small enough to measure again, image by image, so
    nothing need be believed. Val images are measured again, too: who reports other misses there
    hides how the recipe was chosen.

    Fails: a record of 51 misses whose weights give 52, or 51 others; of 19,000 parameters where the
    network has 20,000; of another hardware, with a prediction that rounding cannot flip.

    Passes: the same predictions on the hardware and torch of the record; elsewhere others only
    where two classes are tied but for rounding.
    """
    runs = observation.declared_runs
    reasons: list[str] = []
    details: list[str] = []
    most = 0
    for run in runs:
        found = reproduce(observation, run)
        flips = find_flips(run, found.test) if fits(run, found.test) else []
        most = max(most, len(flips))
        contradictions = list(find_contradictions(run, found, flips, observation.platform))
        reasons += [f"seed {run.seed}: {reason}" for reason in contradictions]
        details += [f"seed {run.seed}: {line}" for line in describe_flips(flips, found.test)]
    passed = f"{len(runs)} runs re-measured, at most {most} predictions differ"
    return Verdict(
        gate="claim",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons) or passed,
        expected="the recorded sizes, misses and predictions, image by image",
        remedy=f"a record is written by a run, never by hand: {observation.renewal()}",
        details=tuple(details),
    )


def reproduce(observation: Observation, run: Run) -> Reproduction:
    """Network and weights of the run, measured here; raises `Unmeasurable`."""
    parts = observation.parts
    depth = max(part.inspection.path_length for part in parts)
    return Reproduction(
        params=sum(part.inspection.num_params for part in parts),
        multiply_adds=observation.size[1],
        test=observation.measure(run.seed),
        val=observation.measure_val(run.seed) if len(observation.split[1]) else None,
        margin=rounding_margin(depth),
    )


def fits(run: Run, found: Measurement) -> bool:
    """Whether the record is of as many images and classes as were measured."""
    return (run.test.total, run.form.num_classes) == (found.total, found.num_classes)


def find_contradictions(
    run: Run, found: Reproduction, flips: list[Flip], platform: tuple[str, str]
) -> Iterator[str]:
    """How the record differs from what was measured by more than rounding may, or from itself.

    On the record's own `platform`, processor and torch, rounding is the same.
    """
    for name, recorded, counted in (
        ("parameters", run.params, found.params),
        ("multiply-adds", run.multiply_adds, found.multiply_adds),
    ):
        if recorded != counted:
            yield f"recorded {recorded:,} {name}, the network has {counted:,}"
    test = found.test
    counts = (
        f"recorded {run.test.misses} misses of {run.test.total}, "
        f"found {test.misses} of {test.total}"
    )
    if not fits(run, test):
        yield f"{counts}, of {test.num_classes} classes"
        return
    same = (run.hardware.device, run.versions.get("torch", "")) == platform
    margin = -1.0 if same else found.margin  # nothing is closer than that
    wrong = [flip for flip in flips if not is_excused(flip, test.logits, margin)]
    if wrong:
        shown = [f"#{index} {was}->{now}" for index, was, now in wrong]
        yield (
            f"{counts}; {len(wrong)} predictions differ by more than rounding: "
            f"{join_first(shown, 5)}"
        )
    elif not is_consistent(run, test):
        yield (
            f"{counts}; the confusion matrix or the predictions' digest is not that of its missed "
            "images"
        )
    yield from compare_scores("without views", run.test_without_views, test.plain, test, margin)
    val = found.val
    yield from compare_scores("val", run.val, val.logits if val else None, val, margin)


def compare_scores(
    name: str,
    recorded: Score | None,
    logits: torch.Tensor | None,
    found: Measurement | None,
    margin: float,
) -> Iterator[str]:
    """How recorded misses differ from those of `logits` (N, classes), by the labels of `found`.

    They may by as many images as have two logits closer than `margin`.
    """
    if logits is None or found is None:
        if recorded is not None:
            yield f"{name}: recorded {recorded.misses} misses of {recorded.total}, there are none"
        return
    misses = int((logits.argmax(1) != found.labels).sum())
    total = len(found.labels)
    if recorded is None:
        yield f"{name}: recorded no misses, found {misses} of {total}"
    elif recorded.total != total or abs(recorded.misses - misses) > count_close(logits, margin):
        yield (
            f"{name}: recorded {recorded.misses} misses of {recorded.total}, "
            f"found {misses} of {total}"
        )


def count_close(logits: torch.Tensor, margin: float) -> int:
    """Of how many images the two largest of the logits (N, classes) are within `margin`."""
    first, second = logits.topk(2).values.unbind(1)
    return int((first - second <= margin * logits.abs().amax(1)).sum())


def is_consistent(run: Run, found: Measurement) -> bool:
    """Whether total, confusion matrix and digest of the record are those of its missed images."""
    recorded = recorded_predictions(run, found)
    size = found.num_classes
    return (run.test.total, run.confusion, run.worst_confusions, run.digests.predictions) == (
        found.total,
        count_confusion(found.labels, recorded, size),
        list_confusions(found.labels, recorded, size),
        predictions_digest(recorded, size),
    )


def recorded_predictions(run: Run, found: Measurement) -> torch.Tensor:
    """The class recorded for each test image (N,)."""
    recorded = found.labels.clone()
    for index, predicted in run.missed.items():
        recorded[int(index)] = predicted
    return recorded


def find_flips(run: Run, found: Measurement) -> list[Flip]:
    """Each test image whose prediction is not the recorded one."""
    return list_flips(recorded_predictions(run, found), found.predictions)


def describe_flips(flips: list[Flip], found: Measurement) -> Iterator[str]:
    """A line for each way that predictions flipped since the record."""
    lost: list[str] = []
    won: list[str] = []
    other: list[str] = []
    for index, was, now in flips:
        label = int(found.labels[index])
        shown = f"#{index} {was}->{now}"
        if was == label:
            lost.append(shown)
        elif now == label:
            won.append(shown)
        else:
            other.append(shown)
    if lost:
        yield f"right on record, missed here: {join_first(lost)}"
    if won:
        yield f"missed on record, right here: {join_first(won)}"
    if other:
        yield f"missed otherwise here: {join_first(other)}"
