"""What verdicts come to."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.report.verdict import Status, Verdict, exit_code

STATUSES = st.lists(st.sampled_from(list(Status)), max_size=6)


def verdicts(statuses):
    return [
        Verdict(gate="params", status=status, observed="1", expected="2") for status in statuses
    ]


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ([], 3),
        (["pass"], 0),
        (["pass", "waived"], 0),
        (["pass", "fail"], 1),
        (["not_run"], 3),
        (["error", "pass"], 3),
        (["fail", "error", "not_run"], 1),
    ],
)
def test_the_exit_code_of_statuses(statuses, code):
    assert exit_code(verdicts([Status(status) for status in statuses])) == code


@given(STATUSES)
def test_nothing_but_passed_and_waived_gates_is_a_zero(statuses):
    assert (exit_code(verdicts(statuses)) == 0) == (
        bool(set(statuses) - {Status.NOT_APPLICABLE})
        and set(statuses) <= {Status.PASS, Status.WAIVED, Status.NOT_APPLICABLE}
    )


@given(STATUSES.filter(lambda statuses: len(statuses) < 5))
def test_the_order_of_verdicts_does_not_matter(statuses):
    assert len({exit_code(verdicts(order)) for order in permutations(statuses)}) == 1
