"""What the shipped weights give on the test images, here and now."""

import math
import statistics
from collections.abc import Iterator

from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Entry
from torchbudget.evidence.measure import Measurement
from torchbudget.evidence.results import Run
from torchbudget.gates.baseline import BaselineEntry
from torchbudget.gates.observation import Observation
from torchbudget.gates.statistics import mcnemar_p, mean_misses_bound
from torchbudget.report.verdict import Status, Verdict

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
    return (
        verdict.of(details=tuple(_against_base(was, found)))
        if was and was.dataset == entry.dataset
        else verdict
    )


def _refuse(entry: Entry, strangers: list[Run]) -> Verdict:
    return Verdict(
        gate="accuracy",
        status=Status.FAIL,
        observed="; ".join(
            f"{run.entry}, seed {run.seed}, was trained on other images" for run in strangers
        ),
        expected=f"weights that were trained on the training images of {entry.dataset}, less {entry.recipe.val_images:,} for val",
        field="dataset",
        remedy=f"train it on {entry.dataset}: make train ENTRY={entry.name}",
    )


def judge_misses(misses: dict[int, int], total: int, budget: Budget) -> Verdict:
    """The misses by seed, of `total` images, against the accuracy rule that the budget chose."""
    worst = max(misses, key=misses.get)
    spread = (
        f", mean {statistics.mean(misses.values()):.1f}, sd {statistics.stdev(misses.values()):.1f}, n {len(misses)}"
        if len(misses) > 1
        else ", n 1"
    )
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


def _against_base(was: BaselineEntry, found: dict[int, Measurement]) -> Iterator[str]:
    """A line a seed: which images flipped since the base's record, both ways, and whether chance explains it."""
    for seed in sorted(set(was.missed) & set(found)):
        old, new = {int(index) for index in was.missed[seed]}, set(found[seed].missed)
        lost, won = sorted(new - old), sorted(old - new)
        yield (
            f"seed {seed} against the base: newly missed {_list([f'#{index}' for index in lost])}; "
            f"no longer missed {_list([f'#{index}' for index in won])}; McNemar's exact p {mcnemar_p(len(lost), len(won)):.3g}"
        )


def _list(items: list[str], limit: int = MAX_LISTED) -> str:
    shown = ", ".join(items[:limit]) or "none"
    return shown + (f" and {len(items) - limit} more" if len(items) > limit else "")
