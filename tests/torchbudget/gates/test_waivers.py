"""Waivers: what one covers, what voids it, and that none outlives its need."""

from datetime import date, timedelta
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.errors import WaiverError
from torchbudget.gates.waivers import NEVER_WAIVED, Waiver, apply_waivers, read_waivers
from torchbudget.report.verdict import EXIT_FAIL, EXIT_PASS, Status, Verdict, exit_code

TODAY = date(2026, 2, 1)
GATES, ENTRIES = ("params", "accuracy", "structure", *NEVER_WAIVED), ("slim", "net3")
GOOD = (
    '[[waiver]]\nentry = "slim"\ngate = "accuracy"\naccepted = 62\n'
    'reason = "why"\nowner = "Ada"\nexpires = 2026-03-31\n'
)


def fail(
    gate="accuracy",
    number: float | None = 62,
    entry="slim",
    observed="62 misses",
    status=Status.FAIL,
):
    return Verdict(
        gate=gate,
        status=status,
        entry=entry,
        observed=observed,
        expected="60",
        remedy="improve it",
        number=number,
    )


def waiver(accepted=62, gate="accuracy", entry="slim", expires=TODAY):
    return Waiver(
        entry=entry, gate=gate, accepted=accepted, reason="why", owner="Ada", expires=expires
    )


def apply(verdicts, waivers, today=TODAY):
    return apply_waivers(verdicts, waivers, today, entries=ENTRIES, gates=GATES)


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "waivers.toml"
    assert read_waivers(path) == []
    path.write_text(GOOD)
    assert read_waivers(path) == [waiver(expires=date(2026, 3, 31))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("expires = 2026-03-31\n", ""),
        ("2026-03-31", '"never"'),
        ("2026-03-31", "2026-02-30"),
        ("2026-03-31", "2026-03-31T00:00:00Z"),
        ("= 62", "= inf"),
        ("= 62", "= nan"),
        ("= 62", "= true"),
        ("= 62", '= ""'),
        ('"why"', '" "'),
        ('owner = "Ada"\n', ""),
        ('owner = "Ada"\n', 'owner = "Ada"\nforever = true\n'),
        ("[[waiver]]", "[[waivers]]"),
        ("[[waiver]]", "[[waiver"),
        ("[[waiver]]", GOOD + "[[waiver]]"),
    ],
)
def test_what_is_no_waiver_is_one_line(tmp_path, old, new):
    path = tmp_path / "waivers.toml"
    path.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(WaiverError, match=r"waivers\.toml") as caught:
        read_waivers(path)
    assert "\n" not in str(caught.value)


def test_a_covered_failure_is_waived_and_still_shown():
    (verdict,) = apply([fail()], [waiver()])
    assert (
        verdict.status is Status.WAIVED
        and verdict.observed == "62 misses"
        and exit_code([verdict]) == EXIT_PASS
    )
    assert all(word in verdict.remedy for word in ("why", "Ada", str(TODAY), "improve it"))


@given(number=st.integers(0, 200), accepted=st.integers(0, 200))
def test_a_figure_is_covered_exactly_where_it_is_the_accepted_one(number, accepted):
    (verdict,) = apply([fail(number=number)], [waiver(accepted)])
    assert (verdict.status is Status.WAIVED) == (number == accepted)
    assert (
        verdict.status is Status.WAIVED
        or f"is not the accepted {accepted}" in (verdict.details[-1])
    )


def test_a_text_is_covered_only_by_itself():
    (covered,) = apply(
        [fail("structure", None, observed="no dropout")], [waiver("no dropout", "structure")]
    )
    (other,) = apply(
        [fail("structure", None, observed="no dropout, no pooling")],
        [waiver("no dropout", "structure")],
    )
    (figure,) = apply([fail("structure", None, observed="62 misses")], [waiver(62, "structure")])
    assert (covered.status, other.status, figure.status) == (
        Status.WAIVED,
        Status.FAIL,
        Status.FAIL,
    ) and other.details


@pytest.mark.parametrize("changed", [waiver(gate="params"), waiver(entry="net3")])
def test_a_waiver_covers_one_gate_of_one_entry(changed):
    assert apply([fail()], [changed]) == [fail()]


@given(days=st.integers(-200, 200))
def test_a_waiver_holds_through_its_last_day_and_at_most_90_days_ahead(days):
    judged = apply([fail()], [waiver(expires=TODAY + timedelta(days))])
    if 0 <= days <= 90:
        assert [verdict.status for verdict in judged] == [Status.WAIVED]
    else:
        assert [(verdict.gate, verdict.status) for verdict in judged] == [
            ("accuracy", Status.FAIL),
            ("waivers", Status.FAIL),
        ]
        assert ("expired" if days < 0 else "90 days") in judged[-1].observed


@pytest.mark.parametrize("gate", NEVER_WAIVED)
def test_what_makes_numbers_true_cannot_be_waived(gate):
    judged = apply([fail(gate)], [waiver(gate=gate)])
    assert [verdict.status for verdict in judged] == [
        Status.FAIL
    ] * 2 and "cannot be waived" in judged[-1].observed


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"gate": "beauty"}, "no such gate"),
        ({"entry": "nobody"}, "no such entry"),
        ({"gate": "waivers"}, "no such gate"),
    ],
)
def test_a_waiver_of_nothing_fails(changed, word):
    judged = apply([fail(status=Status.PASS)], [waiver(**changed)])
    assert (
        judged[-1].gate == "waivers"
        and word in judged[-1].observed
        and exit_code(judged) == EXIT_FAIL
    )


def test_a_waiver_no_longer_needed_fails():
    judged = apply([fail(status=Status.PASS)], [waiver()])
    assert judged[-1].gate == "waivers" and "no longer needed" in judged[-1].observed
    for spare in (waiver(70), waiver(50), waiver("70 misses")):
        for waivers in permutations([waiver(), spare]):
            assert [verdict.status for verdict in apply([fail()], list(waivers))] == [
                Status.WAIVED,
                Status.FAIL,
            ]


@pytest.mark.parametrize("status", [Status.NOT_RUN, Status.ERROR])
def test_what_could_not_be_measured_is_neither_waived_nor_taken_for_a_pass(status):
    assert apply([fail(status=status)], [waiver()]) == [fail(status=status)]


def test_a_waiver_of_what_was_not_judged_is_left_alone():
    assert apply([], [waiver(), waiver(gate="ratchet", entry="gone")]) == []


def test_a_waiver_of_an_entry_removed_before_the_base_fails():
    compared = fail("ratchet", None, status=Status.PASS)
    assert (
        "no such entry"
        in apply([compared], [waiver("the entry was removed", "ratchet", "gone")])[-1].observed
    )


def test_the_order_of_verdicts_and_waivers_does_not_matter():
    verdicts = [
        fail(),
        fail("params", 5),
        fail(entry="net3"),
        fail("structure", None, observed="no dropout"),
    ]
    waivers = [waiver(), waiver(4, "params"), waiver("no dropout", "structure")]
    assert (
        len(
            {
                frozenset(apply(list(some), list(others)))
                for some in permutations(verdicts)
                for others in permutations(waivers)
            }
        )
        == 1
    )
