"""Whether the weights give, here and now, the predictions that the record claims."""

from collections.abc import Iterator

import torch

from torchbudget.declare.entry import Entry
from torchbudget.evidence.measure import Measurement, predictions_digest
from torchbudget.evidence.results import Run
from torchbudget.gates.accuracy import _list
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict

MAX_FLIPS_ELSEWHERE = 2
"""Predictions that may differ on other hardware than the record's; none may on the same."""


def judge_claim(entry: Entry, seen: Observation) -> Verdict:
    """The record's misses, confusion matrix and predictions are what the weights give here; a few images may flip on other hardware.

    Why: a record is a claim. The weights are small enough to measure again, image by image, so nothing need be believed.

    Fails: a record of 51 misses whose weights give 52, or 51 others.

    Passes: the same predictions on the hardware and torch of the record; elsewhere, where rounding differs, at most 2 others.
    """
    runs = seen.declared_runs
    flips = {run.seed: _flips(run, seen.measure(run.seed)) for run in runs}
    reasons = [
        f"seed {run.seed}: {reason}"
        for run in runs
        if (reason := _false_claim(run, seen, flips[run.seed]))
    ]
    return Verdict(
        gate="claim",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons)
        or f"{len(runs)} runs re-measured, at most {max(map(len, flips.values()))} predictions differ",
        expected="the recorded predictions, image by image",
        remedy=f"make train ENTRY={entry.name}: a record is written by a run, never by hand",
        details=tuple(
            line
            for run in runs
            for line in _describe_flips(run.seed, flips[run.seed], seen.measure(run.seed))
        ),
    )


def _false_claim(run: Run, seen: Observation, flips: list[tuple[int, int, int]]) -> str:
    """How the record differs from the measurement by more than the hardware may, or from itself; "" where it does not."""
    found = seen.measure(run.seed)
    allowed = (
        0
        if (run.hardware.device, run.versions.get("torch", "")) == seen.platform
        else MAX_FLIPS_ELSEWHERE
    )
    counts = f"recorded {run.test.misses} misses of {run.test.total}, found {found.misses} of {found.total}"
    if len(flips) > allowed:
        return f"{counts}; {len(flips)} predictions differ, {allowed} may: {_list([f'#{index} {was}->{now}' for index, was, now in flips], 5)}"
    recorded = _recorded(run, found)
    confusion = torch.bincount(found.labels * 10 + recorded, minlength=100).reshape(10, 10).tolist()
    if (run.test.total, run.confusion, run.digests.predictions) != (
        found.total,
        confusion,
        predictions_digest(recorded),
    ):
        return f"{counts}; the confusion matrix or the predictions' digest is not that of its missed images"
    recorded_plain, plain = (
        run.test_without_views and run.test_without_views.misses,
        found.misses_without_views,
    )
    if (recorded_plain is None) != (plain is None) or abs(
        (plain or 0) - (recorded_plain or 0)
    ) > allowed:
        return f"without views: recorded {recorded_plain} misses, found {plain}"
    return ""


def _recorded(run: Run, found: Measurement) -> torch.Tensor:
    """The digit recorded for each test image (N,)."""
    recorded = found.labels.clone()
    for index, digit in run.missed.items():
        recorded[int(index)] = digit
    return recorded


def _flips(run: Run, found: Measurement) -> list[tuple[int, int, int]]:
    """(index, recorded, found) of each test image whose prediction differs."""
    recorded = _recorded(run, found)
    differing = (recorded != found.predictions).nonzero().flatten().tolist()
    return [(index, int(recorded[index]), int(found.predictions[index])) for index in differing]


def _describe_flips(
    seed: int, flips: list[tuple[int, int, int]], found: Measurement
) -> Iterator[str]:
    """A line for each way that predictions flipped since the record."""
    ways: dict[str, list[str]] = {
        "right on record, missed here": [],
        "missed on record, right here": [],
        "missed otherwise here": [],
    }
    for index, was, now in flips:
        label = int(found.labels[index])
        way = 0 if was == label else 1 if now == label else 2
        list(ways.values())[way].append(f"#{index} {was}->{now}")
    yield from (f"seed {seed}: {way}: {_list(images)}" for way, images in ways.items() if images)
