"""Text of others gives no command to a terminal or to the runner of a workflow, in any report."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console

from torchbudget.report.badge import draw_badge
from torchbudget.report.comment import to_comment
from torchbudget.report.comparison import Base, Comparison
from torchbudget.report.formats import to_annotations, to_json, to_junit, to_sarif
from torchbudget.report.markdown import to_markdown
from torchbudget.report.metrics import Metrics
from torchbudget.report.terminal import print_verdicts
from torchbudget.report.text import as_one_line, first_line, without_commands
from torchbudget.report.verdict import Status, Verdict

HOSTILE = (
    "\n::error file=a::forged\n",
    "::stop-commands::word",
    "  ::add-mask::a",
    "##[error]forged",
    "\x1b]0;title\x07",
    "\x9b31m",
    "a\rb",
    "a\u2028::error::b",
    "\u202egnp.exe",
    "\ud800",
    "x " * 99 + "y" * 300 + "::error::forged",
)


def commands(text: str) -> list[str]:
    """The lines that are commands to a workflow's runner or to a terminal."""
    return [
        line
        for line in text.replace("\r", "\n").splitlines()
        if line.lstrip().startswith("::") or "##[" in line or "\x1b" in line or "\x9b" in line
    ]


def hostile_verdict(text: str, status: Status = Status.FAIL) -> Verdict:
    return Verdict(
        gate="chain",
        status=status,
        entry=text,
        observed=text,
        expected=text,
        where=text,
        remedy=text,
        details=(text, text),
    )


@given(st.text())
@example("::a")
@example(" \n::a")
@example("###[a")
def test_one_line_is_printable_and_no_command(text):
    line = as_one_line(text)
    assert line.isprintable() and commands(line) == []
    assert as_one_line(line) == line


@given(st.text(alphabet="a:# [\n\t"))
def test_no_printed_line_is_a_command_and_other_text_stays(text):
    printed = without_commands(text)
    assert commands(printed) == []
    assert printed.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_report_on_the_terminal_gives_no_command(text, status, tmp_path):
    with open(tmp_path / "log", "w+", encoding="utf-8") as log:
        print_verdicts([hostile_verdict(text, status)], Console(file=log, width=200))
        log.seek(0)
        assert commands(log.read()) == []


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_no_report_in_a_file_gives_a_command(text):
    verdicts = [hostile_verdict(text)]
    metrics = [Metrics(entry=text, params=1, misses={0: 1}, total=2, missed={0: [1]})]
    reports = (
        to_json(verdicts, []),
        to_junit(verdicts),
        to_sarif(verdicts, {}, Path("zoo.py")),
        to_markdown(verdicts, metrics, metrics),
        draw_badge(metrics[0], verdicts),
        to_comment(verdicts, [Comparison(now=metrics[0], then=metrics[0])], Base(commit=text)),
    )
    for report in reports:
        assert commands(report) == []


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_an_annotation_is_one_command_whatever_its_text(text):
    (line,) = to_annotations([hostile_verdict(text)], Path("zoo.py"))
    assert line.startswith("::error file=") and len(line.splitlines()) == 1


@pytest.mark.parametrize("text", ["a|b", "a\\|b", "a\\\\|b", "<script>", "[a](b)", "a\rb", "a\nb"])
def test_a_cell_of_the_summary_is_not_left_by_its_text(text):
    row = to_markdown([hostile_verdict(text)]).splitlines()[2]
    bars = row.replace("\\\\", "").replace("\\|", "").count("|")
    assert bars == 6
    assert "<" not in row.replace("\\<", "") and "[" not in row.replace("\\[", "")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_a_badge_is_xml_whatever_its_entry(name):
    root = ET.fromstring(draw_badge(Metrics(entry=name), []))
    assert as_one_line(name) in "".join(root.itertext())


def test_an_exception_is_told_by_its_first_line_that_says_something():
    assert first_line(ValueError("\n  \nbad\nworse")) == "bad"
    assert first_line(ValueError("")) == "ValueError"
