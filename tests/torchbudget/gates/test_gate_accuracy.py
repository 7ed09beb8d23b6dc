"""The two rules of accuracy, changes since the base, and laws of all gates that hold a budget."""

import dataclasses
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from untrained import change, make_zoo, observe, read_entry

from torchbudget.declare.budget import Budget, Slack
from torchbudget.declare.entry import Entry
from torchbudget.evidence.results import Run, read_results
from torchbudget.gates import judge
from torchbudget.gates.accuracy import judge_accuracy, judge_misses
from torchbudget.gates.baseline import Baseline, BaselineEntry
from torchbudget.gates.statistics import mcnemar_p, t_quantile
from torchbudget.report.verdict import Status

MISSES = st.lists(st.integers(0, 100), min_size=2, max_size=6).map(
    lambda counts: dict(enumerate(counts))
)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return make_zoo(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def entry(kept) -> Entry:
    return read_entry(kept)


@pytest.fixture(scope="module")
def runs(kept) -> list[Run]:
    return read_results(kept / "results.json")


# --- the two rules --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("degrees", "published"),
    [(1, 6.314), (2, 2.920), (4, 2.132), (9, 1.833), (30, 1.697), (120, 1.658)],
)
def test_the_quantiles_are_those_of_the_printed_tables(degrees, published):
    assert abs(t_quantile(degrees) - published) < 6e-4


def test_the_bound_is_that_of_the_textbook():
    budget = Budget(max_params=1, max_epochs=1, min_accuracy_bound=0.994, seeds=5)
    verdict = judge_misses(dict(enumerate([50, 52, 49, 61, 51])), 10_000, budget)
    assert (
        verdict.status is Status.PASS
        and "99.428%" in verdict.observed
        and "mean 52.6, sd 4.8, n 5" in verdict.observed
    )
    assert (
        judge_misses(
            dict(enumerate([50, 52, 49, 61, 51])),
            10_000,
            replace(budget, min_accuracy_bound=0.9945),
        ).status
        is Status.FAIL
    )


def test_a_bound_that_is_exactly_met_passes():
    budget = Budget(max_params=1, max_epochs=1, min_accuracy_bound=0.994, seeds=3)
    assert judge_misses({0: 60, 1: 60, 2: 60}, 10_000, budget).status is Status.PASS
    assert judge_misses({0: 60, 1: 60, 2: 61}, 10_000, budget).status is Status.FAIL


@given(MISSES, st.integers(0, 100))
def test_the_worst_seed_decides_and_is_the_number(misses, limit):
    verdict = judge_misses(misses, 100, Budget(max_params=1, max_epochs=1, max_misses=limit))
    assert (verdict.status is Status.PASS) == all(
        count <= limit for count in misses.values()
    ) and verdict.number == max(misses.values())


@given(MISSES)
def test_the_bound_is_never_better_than_the_mean(misses):
    bound = sum(100 - count for count in misses.values()) / (100 * len(misses))
    verdict = judge_misses(
        misses,
        100,
        Budget(max_params=1, max_epochs=1, seeds=2, min_accuracy_bound=min(1.0, bound + 1e-9)),
    )
    assert verdict.status is Status.FAIL or len(set(misses.values())) == 1


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemars_p_is_a_probability_and_takes_no_side(lost, won):
    assert 0 < mcnemar_p(lost, won) == mcnemar_p(won, lost) <= 1
    assert mcnemar_p(lost + 1, won) <= mcnemar_p(lost, won) or lost < won


def test_mcnemars_p_is_that_of_the_binomial():
    assert [round(mcnemar_p(*pair), 6) for pair in [(3, 1), (10, 2), (0, 0), (0, 6)]] == [
        0.625,
        0.038574,
        1,
        0.03125,
    ]


def test_loosening_a_budget_never_turns_a_pass_into_a_fail(kept, entry, runs):
    """Seeds stay: declaring fewer than were run is picking among them, which its own gate fails."""
    seen = observe(kept, runs)
    worst, params = (
        max(seen.measure(seed).misses for seed in range(2)),
        seen.inspection.num_params,
    )
    near = st.integers(-2, 2)

    @given(
        near,
        near,
        near,
        st.sampled_from([0.0, 0.05, 0.5, 1.0]),
        st.booleans(),
        st.tuples(*[st.integers(0, 3)] * 4),
    )
    def law(misses, size, epochs, least, by_bound, more):
        rule = {"min_accuracy_bound": least} if by_bound else {"max_misses": worst + misses}
        strict = replace(
            entry.budget,
            max_params=params + size,
            max_epochs=3 + epochs,
            **{"max_misses": None, "min_accuracy_bound": None} | rule,
        )
        softer = (
            {"min_accuracy_bound": max(0.0, least - more[0] / 10)}
            if by_bound
            else {"max_misses": worst + misses + more[0]}
        )
        loose = replace(
            strict,
            max_params=params + size + more[1],
            max_epochs=3 + epochs + more[2],
            requires=strict.requires[more[3] :],
            slack=Slack(misses=more[0]),
            **softer,
        )
        for gate in ("params", "epochs", "accuracy", "structure", "seeds"):
            before, after = (
                judge(gate, replace(entry, budget=budget), seen).status
                for budget in (strict, loose)
            )
            assert (before, after) != (Status.PASS, Status.FAIL), gate

    law()


def test_verdicts_depend_on_the_order_of_neither_entries_nor_runs(kept, entry, runs):
    other = replace(entry, name="other")
    both = [*runs, change(runs[0], entry="other")]

    def verdicts(entries, runs):
        return {
            (gate, entry.name): judge(gate, entry, observe(kept, runs, entry))
            for entry in entries
            for gate in ("seeds", "epochs", "chain", "accuracy")
        }

    assert verdicts([entry, other], both) == verdicts([other, entry], both[::-1])


# --- since the base -------------------------------------------------------------------------------


def test_images_flipped_since_the_base_are_listed_both_ways(kept, entry, runs):
    seen = observe(kept, runs)
    missed = dict(runs[0].missed)
    lost = list(missed)[:25]
    (won,) = [index for index in range(1_000) if str(index) not in runs[0].missed][:1]
    old = {index: digit for index, digit in missed.items() if index not in lost} | {str(won): 0}
    baseline = Baseline(
        commit="0" * 40,
        entries={
            "tiny": BaselineEntry(name="tiny", dataset="mnist_sample", budget={}, missed={0: old})
        },
    )
    seen.sources = dataclasses.replace(seen.sources, baseline=baseline)
    (line,) = judge_accuracy(entry, seen).details
    assert (
        f"newly missed #{lost[0]}, #{lost[1]}," in line
        and f"#{lost[19]} and 5 more" in line
        and f"no longer missed #{won};" in line
    )
    assert f"{mcnemar_p(25, 1):.3g}" in line
