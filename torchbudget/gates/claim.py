"""Whether the weights give, here and now, the predictions that the record claims."""

from collections.abc import Iterator

import torch

from torchbudget.declare.entry import Entry
from torchbudget.evidence.measure import (
    Measurement,
    count_confusion,
    list_confusions,
    predictions_digest,
)
from torchbudget.evidence.results import Run
from torchbudget.gates.listing import join_first
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict

MAX_FLIPS_ELSEWHERE = 2
"""Predictions that may differ on other hardware than the record's; none may on the same."""

Flip = tuple[int, int, int]
"""(index of a test image, class recorded, class predicted here)."""


def judge_claim(entry: Entry, observation: Observation) -> Verdict:
    """The record's misses, confusion matrix and predictions are what the weights give here.

    On other hardware a few predictions may flip.

    Why: a record is a claim. The weights are small enough to measure again, image by image, so
    nothing need be believed.

    Fails: a record of 51 misses whose weights give 52, or 51 others.

    Passes: the same predictions on the hardware and torch of the record; elsewhere, where rounding
    differs, at most 2 others.
    """
    runs = observation.declared_runs
    reasons: list[str] = []
    details: list[str] = []
    most = 0
    for run in runs:
        found = observation.measure(run.seed)
        flips = find_flips(run, found)
        most = max(most, len(flips))
        reason = find_contradiction(run, found, flips, observation.platform)
        if reason:
            reasons.append(f"seed {run.seed}: {reason}")
        details += [f"seed {run.seed}: {line}" for line in describe_flips(flips, found)]
    passed = f"{len(runs)} runs re-measured, at most {most} predictions differ"
    return Verdict(
        gate="claim",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons) or passed,
        expected="the recorded predictions, image by image",
        remedy=f"a record is written by a run, never by hand: {observation.renewal()}",
        details=tuple(details),
    )


def find_contradiction(
    run: Run, found: Measurement, flips: list[Flip], platform: tuple[str, str]
) -> str:
    """How the record differs from the measurement by more than hardware may, or from itself.

    "" where it does not.
    """
    same = (run.hardware.device, run.versions.get("torch", "")) == platform
    allowed = 0 if same else MAX_FLIPS_ELSEWHERE
    counts = (
        f"recorded {run.test.misses} misses of {run.test.total}, "
        f"found {found.misses} of {found.total}"
    )
    if len(flips) > allowed:
        shown = [f"#{index} {was}->{now}" for index, was, now in flips]
        return f"{counts}; {len(flips)} predictions differ, {allowed} may: {join_first(shown, 5)}"
    if not is_consistent(run, found):
        return (
            f"{counts}; the confusion matrix or the predictions' digest is not that of its missed "
            "images"
        )
    recorded = run.test_without_views.misses if run.test_without_views else None
    plain = found.misses_without_views
    if (recorded is None) != (plain is None) or abs((plain or 0) - (recorded or 0)) > allowed:
        return f"without views: recorded {recorded} misses, found {plain}"
    return ""


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
    recorded = recorded_predictions(run, found)
    differing = (recorded != found.predictions).nonzero().flatten().tolist()
    return [(index, int(recorded[index]), int(found.predictions[index])) for index in differing]


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
