"""The pages in a browser: they sort, filter and lead on, on a phone, by keyboard, in the dark."""

import re
from pathlib import Path

import pytest
from drawing import ANSWERED

ROOT = Path(__file__).resolve().parent.parent.parent
AXE = ROOT / "node_modules/axe-core/axe.min.js"
LIMIT = 40_000_000
KINDS = (
    "",
    "entries/slim/",
    "entries/mixed_ensemble/",
    "draw/",
    "compare/",
    "tutorials/student/",
    "limits/",
    "reference/gates/",
    "reference/api/",
)
"""A page of each kind."""


def shown_entries(page) -> list[str]:
    """Names of the rows of the leaderboard that are shown, from the top."""
    rows = page.locator("#board tbody tr:visible")
    return rows.evaluate_all("rows => rows.map((row) => row.dataset.entry)")


def column(page, key: str) -> list[float]:
    cells = page.locator(f'#board tbody tr:visible [data-key="{key}"]')
    return cells.evaluate_all("cells => cells.map((cell) => Number(cell.dataset.value))")


def test_the_leaderboard_sorts_by_a_column_both_ways(visitor):
    page = visitor.open()
    button = page.locator('#board th[data-key="parameters"] button')
    button.click()
    ascending = column(page, "parameters")
    assert ascending == sorted(ascending) and len(set(ascending)) > 5
    button.focus()
    page.keyboard.press("Enter")
    assert column(page, "parameters") == ascending[::-1]


def test_the_leaderboard_filters_and_shows_all_again(visitor):
    page = visitor.open()
    everything = shown_entries(page)
    page.fill("#limit-parameters", "20000")
    small = shown_entries(page)
    assert "slim" in small and 0 < len(small) < len(everything)
    assert all(value <= 20_000 for value in column(page, "parameters"))
    page.fill("#filter-name", "slim")
    assert "slim" in shown_entries(page) == [name for name in small if "slim" in name]
    page.click(".filters button[type=reset]")
    page.wait_for_selector('#board tr[data-entry="vgg_digits"]')
    assert shown_entries(page) == everything


def test_a_row_leads_to_the_page_of_its_entry(visitor):
    page = visitor.open()
    page.click('#board tr[data-entry="slim"] a')
    page.wait_for_url(re.compile(r"/entries/slim/$"))
    assert "slim" in page.inner_text("h1")


def test_an_answer_leads_to_the_page_of_its_entry(visitor):
    page = visitor.open("draw/")
    page.click('.draw-answer[data-entry="slim"] a')
    page.wait_for_url(re.compile(r"/entries/slim/$"))
    assert "slim" in page.inner_text("h1")


def find_faults(page) -> list[str]:
    """What axe-core calls serious or critical, with the element."""
    found = page.evaluate("() => axe.run({ resultTypes: ['violations'] })")
    assert found["passes"]
    return [
        f"{fault['id']}: {node['html'][:200]}"
        for fault in found["violations"]
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


@pytest.mark.parametrize("path", KINDS)
def test_a_page_has_no_serious_fault_in_light_in_the_dark_and_on_a_phone(path, visitor):
    page = visitor.open(path)
    page.add_script_tag(path=AXE)
    faults = {"light": find_faults(page)}
    if path == "draw/":
        page.click("#draw-example")
        page.wait_for_function(ANSWERED, timeout=60_000)
    page.emulate_media(color_scheme="dark", reduced_motion="reduce")
    page.set_viewport_size({"width": 390, "height": 844})
    faults["dark, on a phone"] = find_faults(page)
    assert not any(faults.values()), faults
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390


def test_the_whole_site_is_below_40_megabytes(site):
    assert sum(path.stat().st_size for path in site.rglob("*") if path.is_file()) < LIMIT
