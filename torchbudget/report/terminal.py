"""Verdicts as people read them on a terminal."""

import sys
import textwrap
from collections.abc import Sequence
from typing import Protocol

from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from torchbudget.report.text import as_one_line, without_commands
from torchbudget.report.verdict import HARMLESS, Origin, Status, Verdict, exit_code

COLOURS = {
    Status.PASS: "green",
    Status.FAIL: "bold red",
    Status.WAIVED: "yellow",
    Status.NOT_RUN: "magenta",
    Status.NOT_APPLICABLE: "dim",
    Status.ERROR: "bold magenta",
    Status.NOT_JUDGED: "dim",
}
ORIGINS = {
    Origin.CAUSED_HERE: "it did not fail there: caused here",
    Origin.INHERITED: "it failed there too: inherited, and still a failure",
    Origin.UNKNOWN: "unknown whether it failed there",
}
"""What is said of a failure's origin."""
PLAIN_WIDTH = 200
"""Columns of a line where the output is no terminal."""


# --- verdicts -------------------------------------------------------------------------------------


def print_verdicts(
    verdicts: list[Verdict], console: Console | None = None, allowed: Sequence[str] = ()
) -> None:
    """Failures first, each with what was expected, found and to be done.

    Then a table of the rest, what the system could not forbid to the zoo's code (`allowed`), the
    count, and the exit code.
    """
    console = console or make_console()
    for verdict in sort_by_urgency(verdicts):
        if verdict.status not in HARMLESS:
            _print_failure(verdict, console)
    harmless = [verdict for verdict in verdicts if verdict.status in HARMLESS]
    if harmless:
        table = make_table("entry", "gate", "found", "expected")
        for verdict in harmless:
            observed = verdict.found
            if verdict.status is not Status.PASS:
                observed = f"{verdict.status.replace('_', ' ')}: {observed}"
            table.add_row(
                Text(verdict.entry),
                Text(verdict.gate, COLOURS[verdict.status]),
                Text(observed),
                Text(verdict.expected),
            )
        show(console, table)
    if allowed:
        rules = ", ".join(allowed)
        show(console, Text(f"not forbidden to the zoo's code on this system: {rules}", "yellow"))
    code = exit_code(verdicts)
    show(console, Text(summarise(verdicts), "green" if code == 0 else "bold red"))


def summarise(verdicts: list[Verdict]) -> str:
    """The last line: how many of each status, and the exit code."""
    statuses = [verdict.status for verdict in verdicts]
    counts = [
        f"{statuses.count(status)} {status.replace('_', ' ')}{_count_origins(status, verdicts)}"
        for status in Status
        if status in statuses
    ]
    taken_over = sum(bool(verdict.since) for verdict in verdicts)
    if taken_over:
        since = next(verdict.since for verdict in verdicts if verdict.since)
        counts.append(f"{taken_over} of them unchanged since {since[:12]}")
    return f"{', '.join(counts) or 'nothing was judged'}; exit code {exit_code(verdicts)}"


def _count_origins(status: Status, verdicts: list[Verdict]) -> str:
    """How many failures have which origin, in brackets; "" where there is nothing to tell apart."""
    if status is not Status.FAIL:
        return ""
    origins = [verdict.origin for verdict in verdicts if verdict.status is status]
    counts = [
        f"{origins.count(origin)} {describe_origin(origin)}"
        for origin in Origin
        if origin in origins
    ]
    return f" ({', '.join(counts)})" if counts else ""


def describe_origin(origin: Origin) -> str:
    """The origin in a word or three."""
    return "of unknown origin" if origin is Origin.UNKNOWN else origin.replace("_", " ")


def failure_lines(verdict: Verdict) -> list[str]:
    """Which gate on which entry and where; then what was expected and found, and what to do."""
    status = verdict.status.replace("_", " ").upper()
    lines = [f"{status}  {verdict.entry}: {verdict.gate}  {verdict.where}".rstrip()]
    for label, text in (
        ("expected", verdict.expected),
        ("found", verdict.found),
        ("difference", verdict.difference),
        ("at base", ORIGINS[verdict.origin] if verdict.origin else ""),
        ("to do", verdict.remedy),
    ):
        if text:
            lines.append(f"  {label:<11}{text}")
    for detail in verdict.details:
        if detail not in verdict.observed:
            lines.append(f"  {'':<11}{detail}")
    return lines


def _print_failure(verdict: Verdict, console: Console) -> None:
    title, *lines = failure_lines(verdict)
    show(console, Text(title, COLOURS[verdict.status]))
    for line in lines:
        show(console, Text(line))


def sort_by_urgency(verdicts: list[Verdict]) -> list[Verdict]:
    """Failures first, of these the inherited ones last; at the end what is harmless."""

    def urgency(verdict: Verdict) -> tuple[bool, bool, bool]:
        inherited = verdict.origin is Origin.INHERITED
        return verdict.status is not Status.FAIL, verdict.status in HARMLESS, inherited

    return sorted(verdicts, key=urgency)


# --- what is judged, and why ----------------------------------------------------------------------


def print_explanation(gate: str, parts: dict[str, str], console: Console | None = None) -> None:
    """What the gate judges, why, and an example of each outcome; a terminal gets whole words."""
    console = console or make_console()
    show(console, Text(gate, "bold"))
    for label, text in parts.items():
        begin = f"  {label:<8}"
        lines = [begin + text]
        if console.is_terminal:
            lines = textwrap.wrap(
                text, console.width, initial_indent=begin, subsequent_indent=" " * len(begin)
            )
        for line in lines:
            show(console, Text(line))


class Layer(Protocol):
    """An operation of a network; counts are for one image."""

    @property
    def operation(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def receptive_field(self) -> int | None: ...
    @property
    def params(self) -> int: ...
    @property
    def multiply_adds(self) -> int: ...


def print_layers(
    layers: Sequence[Layer],
    max_params: int | None,
    max_multiply_adds: int | None,
    console: Console | None = None,
) -> None:
    """Each operation with its share of what the budget allows, or of all where it sets no limit."""
    console = console or make_console()
    params = sum(layer.params for layer in layers)
    multiply_adds = sum(layer.multiply_adds for layer in layers)
    table = make_table(
        "operation",
        "layer",
        "output",
        "sees",
        "parameters",
        "of\nbudget" if max_params else "of all",
        "multiply-\nadds",
        "of\nbudget" if max_multiply_adds else "of all",
    )
    table.collapse_padding = True
    for column in table.columns[:2]:
        column.overflow = "fold"
    for column in table.columns[2:]:
        column.no_wrap = True
    for column in table.columns[3:]:
        column.justify = "right"
    for layer in layers:
        field = layer.receptive_field
        table.add_row(
            as_one_line(layer.operation),
            as_one_line(layer.name),
            "x".join(map(str, layer.shape)),
            "" if field is None else f"{field} px",
            *_with_share(layer.params, max_params or params),
            *_with_share(layer.multiply_adds, max_multiply_adds or multiply_adds),
        )
    table.add_row(
        "total",
        "",
        "",
        "",
        *_with_share(params, max_params or params),
        *_with_share(multiply_adds, max_multiply_adds or multiply_adds),
    )
    show(console, table)


def _with_share(count: int, whole: int) -> tuple[str, str]:
    """A count and its share of the whole; nothing for none."""
    return (f"{count:,}", f"{count / whole:.1%}") if count else ("", "")


# --- the console ----------------------------------------------------------------------------------


def make_console() -> Console:
    """The terminal, or wide plain lines where the output goes elsewhere."""
    if sys.stdout.isatty():
        return Console(markup=False, emoji=False)
    return Console(width=PLAIN_WIDTH, color_system=None, markup=False, emoji=False)


def show(console: Console, content: RenderableType) -> None:
    """Print on the console; text is not wrapped, and no line is a command to a workflow's runner.

    A table wraps its cells, so only the lines as they are printed show how each begins.
    """
    with console.capture() as capture:
        console.print(content, soft_wrap=isinstance(content, Text))
    console.file.write(without_commands(capture.get()))
    console.file.flush()


def make_table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
