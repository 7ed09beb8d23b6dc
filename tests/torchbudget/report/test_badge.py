"""The badge: green for a zoo that passed, and drawn by check.py alone."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tampering import edit

from torchbudget import cli
from torchbudget.report.badge import GREEN, RED, draw_badge
from torchbudget.report.metrics import Metrics
from torchbudget.report.verdict import Status, Verdict

ROOT = Path(__file__).resolve().parents[3]
SVG = "{http://www.w3.org/2000/svg}"
FIGURES = Metrics(entry="slim", params=18_122, total=10_000, misses={0: 38, 1: 41})


def texts(svg: str) -> list[str]:
    return [node.text for node in ET.fromstring(svg).iter(f"{SVG}text")]


@given(st.lists(st.sampled_from(Status)))
def test_green_means_that_every_gate_passed(statuses):
    svg = draw_badge(
        FIGURES,
        [Verdict(gate="params", status=status, observed="", expected="") for status in statuses],
    )
    assert (GREEN in svg, RED in svg) == (
        (True, False) if statuses and set(statuses) == {Status.PASS} else (False, True)
    )
    assert texts(svg) == ["slim", "18,122 parameters", "41 misses of 10,000"]


def test_what_was_not_measured_is_not_made_up():
    assert texts(draw_badge(Metrics(entry="slim"), [])) == [
        "slim",
        "parameters not measured",
        "misses not measured",
    ]


def test_the_boxes_lie_side_by_side_and_fill_the_picture():
    image = ET.fromstring(draw_badge(FIGURES, []))
    boxes = [
        (float(box.get("x")), float(box.get("width")))
        for box in image.iter(f"{SVG}rect")
        if box.get("x")
    ]
    assert [left + width for left, width in boxes] == [
        *(left for left, _ in boxes[1:]),
        float(image.get("width")),
    ]


def test_the_badge_shows_what_was_measured_just_now(zoo):
    words, path = (
        ["tiny", "--zoo", str(zoo / "zoo.py"), "--badge", str(zoo / "tiny.svg")],
        zoo / "tiny.svg",
    )
    assert cli.check(words) == 0 and GREEN in path.read_text()
    assert texts(path.read_text())[2].endswith(" of 1,000")
    edit(zoo / "zoo.py", "max_misses=900", "max_misses=1")
    assert cli.check(words) == 1 and RED in path.read_text()


@pytest.mark.parametrize("words", [[], ["slim", "net3"], ["slim", "--only", "params"]])
def test_a_badge_is_of_one_entry_judged_by_all_gates(words, tmp_path, capsys):
    assert cli.check([*words, "--badge", str(tmp_path / "badge.svg")]) == 2
    assert "--badge shows one ENTRY" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_only_check_draws_badges():
    folders = (ROOT, ROOT / "utils", ROOT / "torchbudget")
    callers = []
    for folder in folders:
        paths = folder.rglob("*.py") if folder.name == "torchbudget" else folder.glob("*.py")
        callers += [path.name for path in paths if "draw_badge(" in path.read_text()]
    assert sorted(callers) == ["badge.py", "checking.py"]
    assert "__main__" not in (ROOT / "torchbudget/report/badge.py").read_text()
