"""What the shipped weights give on the test images, here and now: the accuracy, and whether the record claims the same."""

import math
import statistics
from collections.abc import Iterator

import torch

from gates.observation import Observation
from utils.base import BaseEntry
from utils.budget import Budget
from utils.chance import mcnemar_p, mean_misses_bound
from utils.entry import Entry
from utils.evaluate import Measurement, predictions_digest
from utils.evidence import Run
from utils.verdict import Status, Verdict

MAX_FLIPS_ELSEWHERE = 2
"""Predictions that may differ on other hardware than the record's; none may on the same."""
MAX_LISTED = 20


def judge_accuracy(entry: Entry, seen: Observation) -> Verdict:
    """The weights of the declared seeds, re-measured here, keep `budget.max_misses` each or `budget.min_accuracy_bound` in the mean.

    Weights that were trained on other images than the entry's data set gives to train on are refused: they may have seen its test images.

    Why: the seed that came out best says little. Either the worst of the declared seeds holds the limit, or the mean does, less what
    chance may have added to it: the one-sided 95 % bound by Student's t.

    Fails: five seeds miss 50, 52, 49, 61 and 51 with `max_misses=60`; or with `min_accuracy_bound=0.9945`, for the bound is 99.43 %.

    Passes: the same seeds with `max_misses=61`: the worst one may meet the limit.
    """
    if strangers := [run for run in seen.trainings if run.digests.train != seen.split[0].digest]:
        return _refuse(entry, strangers)
    found = {run.seed: seen.measure(run.seed) for run in seen.declared_runs}
    misses = {seed: each.misses for seed, each in found.items()}
    verdict = judge_misses(misses, min(each.total for each in found.values()), entry.budget)
    was = seen.base.entries.get(entry.name) if seen.base else None
    return verdict.of(details=tuple(_against_base(was, found))) if was and was.dataset == entry.dataset else verdict


def _refuse(entry: Entry, strangers: list[Run]) -> Verdict:
    return Verdict(
        gate="accuracy",
        status=Status.FAIL,
        observed="; ".join(f"{run.entry}, seed {run.seed}, was trained on other images" for run in strangers),
        expected=f"weights that were trained on the training images of {entry.dataset}, less {entry.recipe.val_images:,} for val",
        field="dataset",
        remedy=f"train it on {entry.dataset}: make train ENTRY={entry.name}",
    )


def judge_misses(misses: dict[int, int], total: int, budget: Budget) -> Verdict:
    """The misses by seed, of `total` images, against the accuracy rule that the budget chose."""
    worst = max(misses, key=misses.get)
    spread = f", mean {statistics.mean(misses.values()):.1f}, sd {statistics.stdev(misses.values()):.1f}, n {len(misses)}" if len(misses) > 1 else ", n 1"
    seen = f"worst seed {worst}: {misses[worst]} of {total:,} ({1 - misses[worst] / total:.2%} right){spread}"
    remedy = "improve the network or the recipe, judged on val"
    if budget.max_misses is not None:
        return Verdict(
            gate="accuracy",
            status=Status.FAIL if misses[worst] > budget.max_misses else Status.PASS,
            observed=seen,
            expected=f"at most {budget.max_misses} misses for every seed",
            difference=f"{misses[worst] - budget.max_misses:+d}",
            field="max_misses",
            remedy=remedy,
            number=misses[worst],
        )
    upper = mean_misses_bound(list(misses.values())) if len(misses) > 1 else float(total)
    bound, least = (total - upper) / total, budget.min_accuracy_bound
    shown = math.ceil(round(upper, 9) * 100) / 100
    return Verdict(
        gate="accuracy",
        status=Status.PASS if bound >= least else Status.FAIL,
        observed=f"95 % bound of the mean: at most {shown:.2f} misses, {bound:.3%} right; {seen}",
        expected=f"one-sided 95 % bound of the mean accuracy at least {least:.3%}",
        difference=f"{bound - least:+.3%}",
        field="min_accuracy_bound",
        remedy=remedy,
        number=shown,
    )


def _against_base(was: BaseEntry, found: dict[int, Measurement]) -> Iterator[str]:
    """A line a seed: which images flipped since the base's record, both ways, and whether chance explains it."""
    for seed in sorted(set(was.missed) & set(found)):
        old, new = {int(index) for index in was.missed[seed]}, set(found[seed].missed)
        lost, won = sorted(new - old), sorted(old - new)
        yield (
            f"seed {seed} against the base: newly missed {_list([f'#{index}' for index in lost])}; "
            f"no longer missed {_list([f'#{index}' for index in won])}; McNemar's exact p {mcnemar_p(len(lost), len(won)):.3g}"
        )


def judge_claim(entry: Entry, seen: Observation) -> Verdict:
    """The record's misses, confusion matrix and predictions are what the weights give here; a few images may flip on other hardware.

    Why: a record is a claim. The weights are small enough to measure again, image by image, so nothing need be believed.

    Fails: a record of 51 misses whose weights give 52, or 51 others.

    Passes: the same predictions on the hardware and torch of the record; elsewhere, where rounding differs, at most 2 others.
    """
    runs = seen.declared_runs
    flips = {run.seed: _flips(run, seen.measure(run.seed)) for run in runs}
    reasons = [f"seed {run.seed}: {reason}" for run in runs if (reason := _false_claim(run, seen, flips[run.seed]))]
    return Verdict(
        gate="claim",
        status=Status.FAIL if reasons else Status.PASS,
        observed="; ".join(reasons) or f"{len(runs)} runs re-measured, at most {max(map(len, flips.values()))} predictions differ",
        expected="the recorded predictions, image by image",
        remedy=f"make train ENTRY={entry.name}: a record is written by a run, never by hand",
        details=tuple(line for run in runs for line in _describe_flips(run.seed, flips[run.seed], seen.measure(run.seed))),
    )


def _false_claim(run: Run, seen: Observation, flips: list[tuple[int, int, int]]) -> str:
    """How the record differs from the measurement by more than the hardware may, or from itself; "" where it does not."""
    found = seen.measure(run.seed)
    allowed = 0 if (run.hardware.device, run.versions.get("torch", "")) == seen.platform else MAX_FLIPS_ELSEWHERE
    counts = f"recorded {run.test.misses} misses of {run.test.total}, found {found.misses} of {found.total}"
    if len(flips) > allowed:
        return f"{counts}; {len(flips)} predictions differ, {allowed} may: {_list([f'#{index} {was}->{now}' for index, was, now in flips], 5)}"
    recorded = _recorded(run, found)
    confusion = torch.bincount(found.labels * 10 + recorded, minlength=100).reshape(10, 10).tolist()
    if (run.test.total, run.confusion, run.digests.predictions) != (found.total, confusion, predictions_digest(recorded)):
        return f"{counts}; the confusion matrix or the predictions' digest is not that of its missed images"
    recorded_plain, plain = run.test_without_views and run.test_without_views.misses, found.misses_without_views
    if (recorded_plain is None) != (plain is None) or abs((plain or 0) - (recorded_plain or 0)) > allowed:
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


def _describe_flips(seed: int, flips: list[tuple[int, int, int]], found: Measurement) -> Iterator[str]:
    """A line for each way that predictions flipped since the record."""
    ways: dict[str, list[str]] = {"right on record, missed here": [], "missed on record, right here": [], "missed otherwise here": []}
    for index, was, now in flips:
        label = int(found.labels[index])
        way = 0 if was == label else 1 if now == label else 2
        list(ways.values())[way].append(f"#{index} {was}->{now}")
    yield from (f"seed {seed}: {way}: {_list(images)}" for way, images in ways.items() if images)


def _list(items: list[str], limit: int = MAX_LISTED) -> str:
    shown = ", ".join(items[:limit]) or "none"
    return shown + (f" and {len(items) - limit} more" if len(items) > limit else "")
