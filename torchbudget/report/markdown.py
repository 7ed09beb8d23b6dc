"""Verdicts as a Markdown summary, as a pull request or a step of a workflow shows them."""

from collections.abc import Sequence

from torchbudget.report.metrics import Metrics
from torchbudget.report.terminal import describe_origin, sort_by_urgency, summarise
from torchbudget.report.text import as_one_line
from torchbudget.report.verdict import Status, Verdict

MAX_LISTED = 100
"""Images that a line lists: a step summary holds a megabyte."""


def to_markdown(
    verdicts: list[Verdict], metrics: Sequence[Metrics] = (), baseline: Sequence[Metrics] = ()
) -> str:
    """The verdicts as a table, failures first.

    Then what changed since the baseline, and the test images that a failing accuracy or claim
    missed.
    """
    lines = ["| entry | gate | status | found | expected |", "|---|---|---|---|---|"]
    for verdict in sort_by_urgency(verdicts):
        cells = (
            verdict.entry,
            verdict.gate,
            _describe_status(verdict),
            verdict.found,
            verdict.expected,
        )
        lines.append(f"| {' | '.join(map(_escape, cells))} |")
    lines += ["", summarise(verdicts), "", *_compare(metrics, baseline)]
    suspects = {
        verdict.entry
        for verdict in verdicts
        if verdict.gate in ("accuracy", "claim") and verdict.status is Status.FAIL
    }
    for entry in metrics:
        if entry.entry in suspects and entry.missed:
            lines += [f"{_escape(entry.entry)}, test images that are wrong:", ""]
            lines += [f"- seed {seed}: {_list(wrong)}" for seed, wrong in entry.missed.items()]
            lines.append("")
    return "\n".join(lines)


def _describe_status(verdict: Verdict) -> str:
    """The status, of a failure with its origin."""
    status = verdict.status.replace("_", " ")
    return f"{status} ({describe_origin(verdict.origin)})" if verdict.origin else status


def _compare(metrics: Sequence[Metrics], baseline: Sequence[Metrics]) -> list[str]:
    """A table of each entry's numbers and how far they are from the baseline's, if there is one."""
    if not baseline:
        return []
    then = {entry.entry: entry for entry in baseline}
    lines = [
        "| against the base | parameters | multiply-adds | misses, worst seed |",
        "|---|---|---|---|",
    ]
    for entry in metrics:
        was = then.get(entry.entry, Metrics(entry=entry.entry))
        cells = (
            _difference(entry.params, was.params),
            _difference(entry.multiply_adds, was.multiply_adds),
            _difference(entry.worst, was.worst),
        )
        lines.append(f"| {_escape(entry.entry)} | {' | '.join(cells)} |")
    return [*lines, ""]


def _difference(now: int | None, then: int | None) -> str:
    if now is None:
        return "not measured"
    return f"{now:,} (new)" if then is None else f"{now:,} ({now - then:+,})"


def _list(values: list[int]) -> str:
    shown = ", ".join(map(str, values[:MAX_LISTED])) or "none"
    more = len(values) - MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown


def _escape(text: str) -> str:
    """The text as a cell of a table: it cannot end the cell, nor be a link or HTML."""
    for character in "\\|[<":
        text = text.replace(character, f"\\{character}")
    return as_one_line(text)
