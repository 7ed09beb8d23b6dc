"""Verdicts as people read them: on a terminal and in Markdown."""

import sys

from rich.console import Console
from rich.table import Table
from rich.text import Text

from utils.verdict import Status, Verdict, exit_code

COLOURS = {Status.PASS: "green", Status.FAIL: "bold red", Status.WAIVED: "yellow", Status.NOT_RUN: "magenta", Status.ERROR: "bold magenta"}


# --- verdicts ---------------------------------------------------------------------------------------------------------


def print_verdicts(verdicts: list[Verdict], console: Console | None = None) -> None:
    """Failures first, each with what was expected, found and to be done; a table of the rest; the count and the exit code."""
    console = console or make_console()
    unhappy = [verdict for verdict in verdicts if verdict.status is not Status.PASS]
    for verdict in sorted(unhappy, key=_urgency):
        _print_failure(verdict, console)
    if passed := [verdict for verdict in verdicts if verdict.status is Status.PASS]:
        table = make_table("entry", "gate", "found", "expected")
        for verdict in passed:
            table.add_row(verdict.entry, Text(verdict.gate, "green"), Text(verdict.observed), Text(verdict.expected))
        console.print(table)
    code = exit_code(verdicts)
    console.print(Text(summarise(verdicts), "green" if code == 0 else "bold red"), soft_wrap=True)


def summarise(verdicts: list[Verdict]) -> str:
    """The last line: how many of each status, and the exit code."""
    counts = [f"{sum(verdict.status is status for verdict in verdicts)} {status.replace('_', ' ')}" for status in Status]
    shown = [count for count in counts if not count.startswith("0 ")] or ["nothing was judged"]
    return f"{', '.join(shown)}; exit code {exit_code(verdicts)}"


def _print_failure(verdict: Verdict, console: Console) -> None:
    console.print(
        Text(f"{verdict.status.replace('_', ' ').upper()}  {verdict.entry}: {verdict.gate}  {verdict.where}".rstrip(), COLOURS[verdict.status]), soft_wrap=True
    )
    for label, text in (("expected", verdict.expected), ("found", verdict.observed), ("difference", verdict.difference), ("to do", verdict.remedy)):
        if text:
            console.print(Text(f"  {label:<11}{text}"), soft_wrap=True)


def to_markdown(verdicts: list[Verdict]) -> str:
    """The verdicts as a Markdown table, failures first."""
    rows = sorted(verdicts, key=_urgency)
    lines = ["| entry | gate | status | found | expected |", "|---|---|---|---|---|"]
    lines += [f"| {row.entry} | {row.gate} | {row.status.replace('_', ' ')} | {_cell(row.observed)} | {_cell(row.expected)} |" for row in rows]
    return "\n".join([*lines, "", summarise(verdicts), ""])


def _urgency(verdict: Verdict) -> tuple[bool, bool]:
    """Sorts failures first and passes last."""
    return verdict.status is not Status.FAIL, verdict.status is Status.PASS


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def make_console() -> Console:
    """The terminal, or wide plain lines where the output goes elsewhere."""
    return Console(markup=False, emoji=False) if sys.stdout.isatty() else Console(width=200, color_system=None, markup=False, emoji=False)


def make_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
