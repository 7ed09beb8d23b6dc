"""What the shipped weights give on the test images, here and now."""

import math
import statistics
from collections.abc import Iterator
from dataclasses import replace

from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Entry
from torchbudget.evidence.measure import Measurement
from torchbudget.evidence.results import Run
from torchbudget.gates.baseline import BaselineEntry
from torchbudget.gates.listing import join_first
from torchbudget.gates.observation import Observation
from torchbudget.gates.statistics import mcnemar_p, mean_misses_bound
from torchbudget.report.verdict import Status, Verdict, not_applicable

REMEDY = "improve the network or the recipe, judged on val"


def judge_accuracy(entry: Entry, observation: Observation) -> Verdict:
    """The weights of the declared seeds, re-measured here, keep the budget's rule of accuracy.

    That is `max_misses` or `min_accuracy` for each, or `min_accuracy_bound` in the mean. Weights
    that were trained on other images than the entry's data set gives to train on are refused: they
    may have seen its test images.

    Why: the seed that came out best says little. Either the worst of the declared seeds holds the
    limit, or the mean does, less what chance may have added to it: the one-sided 95 % bound by
    Student's t.

    Fails: five seeds miss 50, 52, 49, 61 and 51 with `max_misses=60`; or with
    `min_accuracy_bound=0.9945`, for the bound is 99.43 %.

    Passes: the same seeds with `max_misses=61`: the worst one may meet the limit.
    """
    budget = entry.budget
    if (budget.max_misses, budget.min_accuracy, budget.min_accuracy_bound) == (None, None, None):
        return not_applicable("accuracy", "the budget declares no rule of accuracy")
    strangers = [
        run for run in observation.trainings if run.digests.train != observation.split[0].digest
    ]
    if strangers:
        return refuse(entry, observation, strangers)
    found = {run.seed: observation.measure(run.seed) for run in observation.declared_runs}
    misses = {seed: measurement.misses for seed, measurement in found.items()}
    total = min(measurement.total for measurement in found.values())
    verdict = judge_misses(misses, total, budget)
    baseline = observation.baseline
    predecessors = baseline.predecessors_of(entry.name) if baseline else []
    if predecessors and predecessors[0].dataset == entry.dataset:
        return replace(verdict, details=tuple(compare_images(predecessors[0], found)))
    return verdict


def refuse(entry: Entry, observation: Observation, strangers: list[Run]) -> Verdict:
    """The verdict on weights that were trained on other images."""
    val = f", less {entry.val_images:,} for val" if entry.val_images else ""
    return Verdict(
        gate="accuracy",
        status=Status.FAIL,
        observed="; ".join(
            f"{run.entry}, seed {run.seed}, was trained on other images" for run in strangers
        ),
        expected=f"weights that were trained on the training images of {entry.dataset}{val}",
        field="data",
        remedy=f"train it on {entry.dataset}; {observation.renewal(strangers[0].seed)}",
    )


def judge_misses(misses: dict[int, int], total: int, budget: Budget) -> Verdict:
    """The misses by seed, of `total` images, against the rule of accuracy that the budget chose."""
    worst = max(misses, key=lambda seed: misses[seed])
    observed = (
        f"worst seed {worst}: {misses[worst]} of {total:,} "
        f"({1 - misses[worst] / total:.2%} right), {describe_spread(list(misses.values()))}"
    )
    allowed = budget.allowed_misses(total)
    if allowed is None:
        return judge_bound(misses, total, budget.min_accuracy_bound or 0.0, observed)
    expected = f"at most {allowed} misses for every seed"
    if budget.min_accuracy is not None:
        expected += f" ({budget.min_accuracy:.6g} of {total:,} right)"
    return Verdict(
        gate="accuracy",
        status=Status.FAIL if misses[worst] > allowed else Status.PASS,
        observed=observed,
        expected=expected,
        difference=f"{misses[worst] - allowed:+d}",
        field="max_misses" if budget.min_accuracy is None else "min_accuracy",
        remedy=REMEDY,
        number=misses[worst],
    )


def describe_spread(misses: list[int]) -> str:
    if len(misses) == 1:
        return "n 1"
    mean, deviation = statistics.mean(misses), statistics.stdev(misses)
    return f"mean {mean:.1f}, sd {deviation:.1f}, n {len(misses)}"


def judge_bound(misses: dict[int, int], total: int, least: float, observed: str) -> Verdict:
    """The one-sided 95 % bound of the mean against `least`, a share; needs two seeds or more."""
    upper = mean_misses_bound(list(misses.values())) if len(misses) > 1 else float(total)
    bound = (total - upper) / total
    shown = math.ceil(round(upper, 9) * 100) / 100
    return Verdict(
        gate="accuracy",
        status=Status.PASS if bound >= least else Status.FAIL,
        observed=f"95 % bound of the mean: at most {shown:.2f} misses, {bound:.3%} right; "
        + observed,
        expected=f"one-sided 95 % bound of the mean accuracy at least {least:.3%}",
        difference=f"{bound - least:+.3%}",
        field="min_accuracy_bound",
        remedy=REMEDY,
        number=shown,
    )


def compare_images(was: BaselineEntry, found: dict[int, Measurement]) -> Iterator[str]:
    """A line a seed: the images that flipped since the baseline, and whether chance explains it."""
    for seed in sorted(set(was.missed) & set(found)):
        old = {int(index) for index in was.missed[seed]}
        new = set(found[seed].missed)
        lost, won = sorted(new - old), sorted(old - new)
        yield (
            f"seed {seed} against the base: "
            f"newly missed {join_first([f'#{index}' for index in lost])}; "
            f"no longer missed {join_first([f'#{index}' for index in won])}; "
            f"McNemar's exact p {mcnemar_p(len(lost), len(won)):.3g}"
        )
