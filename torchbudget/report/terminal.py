"""Verdicts as people read them: on a terminal and in Markdown."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from torchbudget.declare.budget import Budget
from torchbudget.network.layers import LayerRow
from torchbudget.report.metrics import Metrics
from torchbudget.report.verdict import Status, Verdict, exit_code

COLOURS = {
    Status.PASS: "green",
    Status.FAIL: "bold red",
    Status.WAIVED: "yellow",
    Status.NOT_RUN: "magenta",
    Status.ERROR: "bold magenta",
}


# --- verdicts ---------------------------------------------------------------------------------------------------------


def print_verdicts(verdicts: list[Verdict], console: Console | None = None) -> None:
    """Failures first, each with what was expected, found and to be done; a table of the rest; the count and the exit code."""
    console = console or make_console()
    unhappy = [verdict for verdict in verdicts if verdict.status is not Status.PASS]
    for verdict in by_urgency(unhappy):
        _print_failure(verdict, console)
    if passed := [verdict for verdict in verdicts if verdict.status is Status.PASS]:
        table = make_table("entry", "gate", "found", "expected")
        for verdict in passed:
            table.add_row(
                verdict.entry,
                Text(verdict.gate, "green"),
                Text(verdict.observed),
                Text(verdict.expected),
            )
        console.print(table)
    code = exit_code(verdicts)
    console.print(Text(summarise(verdicts), "green" if code == 0 else "bold red"), soft_wrap=True)


def summarise(verdicts: list[Verdict]) -> str:
    """The last line: how many of each status, and the exit code."""
    counts = [
        f"{sum(verdict.status is status for verdict in verdicts)} {status.replace('_', ' ')}"
        for status in Status
    ]
    shown = [count for count in counts if not count.startswith("0 ")] or ["nothing was judged"]
    return f"{', '.join(shown)}; exit code {exit_code(verdicts)}"


def failure_lines(verdict: Verdict) -> list[str]:
    """Which gate on which entry and where; then what was expected, found and how far off it is, and what to do."""
    parts = (
        ("expected", verdict.expected),
        ("found", verdict.observed),
        ("difference", verdict.difference),
        ("to do", verdict.remedy),
    )
    details = [
        f"  {'':<11}{detail}" for detail in verdict.details if detail not in verdict.observed
    ]
    title = f"{verdict.status.replace('_', ' ').upper()}  {verdict.entry}: {verdict.gate}  {verdict.where}".rstrip()
    return [title, *(f"  {label:<11}{text}" for label, text in parts if text), *details]


def _print_failure(verdict: Verdict, console: Console) -> None:
    title, *lines = failure_lines(verdict)
    console.print(Text(title, COLOURS[verdict.status]), soft_wrap=True)
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def to_markdown(
    verdicts: list[Verdict], figures: Sequence[Metrics] = (), base: Sequence[Metrics] = ()
) -> str:
    """The verdicts as a Markdown table, failures first; what changed since the base; the test images that a failing accuracy or claim missed."""
    rows = by_urgency(verdicts)
    lines = ["| entry | gate | status | found | expected |", "|---|---|---|---|---|"]
    lines += [
        f"| {_cell(row.entry)} | {row.gate} | {row.status.replace('_', ' ')} | {_cell(row.observed)} | {_cell(row.expected)} |"
        for row in rows
    ]
    lines += ["", summarise(verdicts), "", *_deltas(figures, base)]
    suspects = {
        verdict.entry
        for verdict in verdicts
        if verdict.gate in ("accuracy", "claim") and verdict.status is Status.FAIL
    }
    for each in figures:
        if each.entry in suspects and each.missed:
            lines += [
                f"{each.entry}, test images that are wrong:",
                "",
                *(f"- seed {seed}: {_numbers(wrong)}" for seed, wrong in each.missed.items()),
                "",
            ]
    return "\n".join(lines)


def _deltas(figures: Sequence[Metrics], base: Sequence[Metrics]) -> list[str]:
    """A Markdown table of each entry's numbers and how far they are from the base's; nothing without a base."""
    if not base:
        return []
    then = {each.entry: each for each in base}
    lines = [
        "| against the base | parameters | multiply-adds | misses, worst seed |",
        "|---|---|---|---|",
    ]
    for each in figures:
        was = then.get(each.entry, Metrics(entry=each.entry))
        pairs = (
            (each.params, was.params),
            (each.multiply_adds, was.multiply_adds),
            (each.worst, was.worst),
        )
        lines.append(f"| {each.entry} | {' | '.join(_delta(*pair) for pair in pairs)} |")
    return [*lines, ""]


def _delta(now: int | None, then: int | None) -> str:
    if now is None:
        return "not measured"
    return f"{now:,} ({'new' if then is None else f'{now - then:+,}'})"


def _numbers(values: list[int]) -> str:
    """The first hundred, and how many more: a step summary holds a megabyte."""
    return (
        ", ".join(map(str, values[:100]))
        + (f" and {len(values) - 100} more" if len(values) > 100 else "")
        or "none"
    )


def by_urgency(verdicts: list[Verdict]) -> list[Verdict]:
    """Failures first, passes last."""
    return sorted(
        verdicts,
        key=lambda verdict: (verdict.status is not Status.FAIL, verdict.status is Status.PASS),
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


# --- what is judged, and why ------------------------------------------------------------------------------------------


def print_explanation(gate: str, parts: dict[str, str], console: Console | None = None) -> None:
    """What the gate judges, why, and an example of each outcome."""
    console = console or make_console()
    console.print(Text(gate, "bold"))
    for label, text in parts.items():
        console.print(Text(f"  {label:<8}{text}"), soft_wrap=True)


def print_layers(rows: list[LayerRow], budget: Budget, console: Console | None = None) -> None:
    """Each operation with its share of what the budget allows; multiply-adds are of all that are spent where it sets no limit."""
    console = console or make_console()
    spent = sum(row.multiply_adds for row in rows)
    whole = "of budget" if budget.max_multiply_adds else "of all"
    table = make_table(
        "operation", "layer", "output", "sees", "parameters", "of budget", "multiply-adds", whole
    )
    for row in [*rows, LayerRow("total", "", (), None, sum(row.params for row in rows), spent)]:
        table.add_row(
            row.operation,
            row.name,
            " x ".join(map(str, row.shape)),
            "" if row.receptive_field is None else f"{row.receptive_field} px",
            f"{row.params:,}" if row.params else "",
            f"{row.params / budget.max_params:.1%}" if row.params else "",
            f"{row.multiply_adds:,}" if row.multiply_adds else "",
            f"{row.multiply_adds / (budget.max_multiply_adds or spent):.1%}"
            if row.multiply_adds
            else "",
        )
    for column in table.columns[3:]:
        column.justify = "right"
    console.print(table)


# --- the console ------------------------------------------------------------------------------------------------------


def make_console() -> Console:
    """The terminal, or wide plain lines where the output goes elsewhere."""
    return (
        Console(markup=False, emoji=False)
        if sys.stdout.isatty()
        else Console(width=200, color_system=None, markup=False, emoji=False)
    )


def make_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
