"""The ratchet's rules: what counts as weaker, what as worse."""

import statistics
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.declare.budget import (
    BatchNorm,
    Budget,
    Dropout,
    GlobalAveragePooling,
    NoDenseOnMap,
    Requirement,
    Slack,
    list_directions,
)
from torchbudget.declare.entry import describe
from torchbudget.errors import Unmeasurable
from torchbudget.gates.baseline import BaselineEntry
from torchbudget.gates.ratchet import compare
from torchbudget.gates.weakening import find_weakenings
from torchbudget.report.verdict import Status

LIMITS = st.none() | st.integers(0, 4)
RULES = st.one_of(
    st.integers(0, 4).map(lambda limit: {"max_misses": limit}),
    st.sampled_from([0.1, 0.5, 0.9]).map(lambda bound: {"min_accuracy_bound": bound, "seeds": 2}),
)
REQUIREMENTS = st.one_of(
    st.booleans().map(lambda spared: BatchNorm(except_last=spared)),
    st.integers(1, 3).map(lambda least: Dropout(least=least)),
    st.just(GlobalAveragePooling()),
    st.just(NoDenseOnMap()),
)
BUDGETS = st.builds(
    lambda rule, seeds, **others: Budget(**{"seeds": seeds, **rule, **others}),
    rule=RULES,
    seeds=st.integers(1, 4),
    max_params=st.integers(1, 4),
    max_epochs=st.integers(1, 4),
    max_multiply_adds=LIMITS,
    max_activation_bytes=LIMITS,
    max_weight_bytes=LIMITS,
    min_receptive_field=LIMITS,
    requires=st.lists(REQUIREMENTS, max_size=3).map(tuple),
    slack=st.builds(
        Slack, params=st.integers(0, 2), multiply_adds=st.integers(0, 2), misses=st.integers(0, 2)
    ),
)
PLAIN = Budget(
    max_params=20_000,
    max_epochs=20,
    max_misses=40,
    seeds=5,
    requires=(BatchNorm(), Dropout(least=2)),
    min_receptive_field=20,
)


def weakened(was: Budget, now: Budget) -> list[str]:
    return [change for _, change in find_weakenings(describe(was), describe(now))]


# --- what counts as weaker ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"max_misses": 60}, "max_misses 40 -> 60"),
        ({"max_params": 20_001}, "max_params 20000 -> 20001"),
        ({"max_epochs": 21}, "max_epochs 20 -> 21"),
        ({"seeds": 4}, "seeds 5 -> 4"),
        ({"max_misses": None, "min_accuracy_bound": 0.999}, "max_misses 40 -> None"),
        ({"min_receptive_field": 19}, "min_receptive_field 20 -> 19"),
        ({"min_receptive_field": None}, "min_receptive_field 20 -> None"),
        ({"slack": Slack(misses=1)}, "slack.misses 0 -> 1"),
        ({"slack": Slack(misses_sd=0.5)}, "slack.misses_sd 0.0 -> 0.5"),
        (
            {"requires": (BatchNorm(except_last=True), Dropout(least=2))},
            "requires BatchNorm(except_last=False) -> BatchNorm(except_last=True)",
        ),
        ({"requires": (BatchNorm(), Dropout())}, "requires Dropout(least=2) -> Dropout(least=1)"),
        ({"requires": (BatchNorm(), GlobalAveragePooling())}, "requires Dropout(least=2) -> none"),
    ],
)
def test_each_way_to_ask_for_less_is_named(changes, shown):
    assert weakened(PLAIN, replace(PLAIN, **changes)) == [shown]


@pytest.mark.parametrize(
    "changes",
    [
        {"max_misses": 39},
        {"seeds": 6},
        {"max_weight_bytes": 1},
        {"min_receptive_field": 28},
        {"requires": (NoDenseOnMap(), Dropout(least=3), BatchNorm())},
    ],
)
def test_to_ask_for_more_is_no_weakening(changes):
    assert weakened(PLAIN, replace(PLAIN, **changes)) == []


@pytest.mark.parametrize("kind", [Budget, Slack, *Requirement.__args__])
def test_every_field_of_a_budget_has_a_direction(kind):
    assert set(list_directions(kind)) == {field.name for field in fields(kind)}


def test_a_word_that_has_no_direction_is_weaker_on_any_change():
    assert find_weakenings({"colour": "red"}, {"colour": "blue"}) == [
        ("colour", "colour red -> blue")
    ]


@pytest.mark.parametrize(
    ("total", "was", "now", "shown"),
    [
        (10_000, {"max_misses": 60}, {"min_accuracy": 0.994}, []),
        (10_000, {"min_accuracy": 0.994}, {"max_misses": 59}, []),
        (
            10_000,
            {"max_misses": 60},
            {"min_accuracy": 0.993},
            ["max_misses 60 -> min_accuracy 0.993 (70 misses, were 60)"],
        ),
        (None, {"max_misses": 60}, {"min_accuracy": 0.999}, ["max_misses 60 -> None"]),
        (
            10_000,
            {"max_misses": 60},
            {"min_accuracy_bound": 0.999},
            ["max_misses 60 -> None"],
        ),
        (
            10_000,
            {"min_accuracy_bound": 0.9},
            {"max_misses": 1},
            ["min_accuracy_bound 0.9 -> None"],
        ),
        (10_000, {"min_accuracy": 0.9}, {}, ["min_accuracy 0.9 -> None"]),
    ],
)
def test_a_rule_of_accuracy_may_be_exchanged_for_one_that_is_no_laxer(total, was, now, shown):
    then, later = (Budget(max_params=1, seeds=2, **rule) for rule in (was, now))
    found = find_weakenings(describe(then), describe(later), total)
    assert [change for _, change in found] == shown


@given(BUDGETS)
def test_no_budget_is_weaker_than_itself(budget):
    assert weakened(budget, budget) == []


@given(BUDGETS, BUDGETS)
def test_no_field_is_weakened_both_ways_and_what_is_weakened_neither_way_is_the_same(one, other):
    there, back = (
        find_weakenings(describe(one), describe(other)),
        find_weakenings(describe(other), describe(one)),
    )
    ordered = [{field for field, _ in changes} - {"slack", "requires"} for changes in (there, back)]
    assert not ordered[0] & ordered[1]
    if not there and not back:
        assert replace(one, requires=()) == replace(other, requires=())


@given(BUDGETS, BUDGETS, BUDGETS)
def test_weakening_can_not_be_done_in_steps_that_weaken_nothing(one, two, three):
    if not weakened(one, two) and not weakened(two, three):
        assert not weakened(one, three)


# --- what counts as worse -------------------------------------------------------------------------


@given(
    was=st.tuples(*[st.integers(0, 9)] * 3),
    now=st.tuples(*[st.integers(0, 9)] * 3),
    slack=st.builds(
        Slack, params=st.integers(0, 4), multiply_adds=st.integers(0, 4), misses=st.integers(0, 4)
    ),
)
def test_worse_is_what_exceeds_the_base_by_more_than_the_slack_declared_there(was, now, slack):
    base = BaselineEntry(
        name="a",
        dataset="d",
        budget=describe(replace(PLAIN, slack=slack)),
        params=was[0],
        multiply_adds=was[1],
        misses={0: was[2], 7: 0},
    )
    verdict = compare(base, now[0], now[1], {0: now[2]})
    allowed = (slack.params, slack.multiply_adds, slack.misses)
    assert (verdict.status is Status.FAIL) == any(
        found - then > room for found, then, room in zip(now, was, allowed, strict=True)
    )


def deviating(misses: list[int], deviations: float) -> BaselineEntry:
    budget = replace(PLAIN, slack=Slack(misses_sd=deviations))
    return BaselineEntry(
        name="a", dataset="d", budget=describe(budget), misses=dict(enumerate(misses))
    )


@given(st.lists(st.integers(0, 99), min_size=2, max_size=5), st.sampled_from([0.5, 1.0, 2.0]))
def test_slack_in_standard_deviations_is_that_of_the_seeds_at_the_base(misses, deviations):
    was = deviating(misses, deviations)
    room = int(deviations * statistics.stdev(misses))
    assert compare(was, 0, 0, {0: misses[0] + room}).status is Status.PASS
    assert compare(was, 0, 0, {0: misses[0] + room + 1}).status is Status.FAIL


@pytest.mark.parametrize("misses", [[], [40]])
def test_without_two_seeds_on_record_there_is_no_deviation_to_compare_by(misses):
    was = replace(deviating(misses, 2.0), misses=dict(enumerate(misses)) | {7: 9})
    with pytest.raises(Unmeasurable, match=r"slack\.misses_sd of a is in standard deviations"):
        compare(was, 0, 0, {7: 9})
