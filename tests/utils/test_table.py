"""The zoo's table: what a row says of its entry."""

from dataclasses import replace

from torchbudget.declare.views import View
from utils.table import format_row, list_headings, make_row


def test_misses_by_several_views_are_shown_beside_those_without(make_run, small_entry):
    viewed = replace(small_entry, name="viewed", views=(View(), View(right=5)))
    evidence = [make_run(viewed, seed) for seed in range(2)]
    row, plain = make_row(viewed, evidence), make_row(small_entry, [make_run(small_entry, 0)])
    mean = sum(run.test_without_views.misses for run in evidence) / 2
    headings = list_headings([row, plain])
    assert dict(zip(headings, format_row(row, headings), strict=True))["views"] == (
        f"2 ({mean:.1f} without)"
    )
    assert dict(zip(headings, format_row(plain, headings), strict=True))["views"] == "-"
    assert "views" not in list_headings([plain])
