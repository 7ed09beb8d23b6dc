"""A change as a comment on its pull request: failures first, then what differs from the base."""

from collections.abc import Iterable, Sequence

from torchbudget.report.comparison import Base, Comparison, Flip
from torchbudget.report.drawing import put_side_by_side
from torchbudget.report.terminal import describe_origin, failure_lines, sort_by_urgency, summarise
from torchbudget.report.text import as_one_line
from torchbudget.report.verdict import HARMLESS, Origin, Status, Verdict, exit_code

MAX_CHARACTERS = 60_000
"""GitHub takes 65,536; what posts the comment adds a little."""
MAX_FAILURES = 10
MAX_CHANGED = 60
MAX_UNCHANGED = 200
MAX_PICTURES = 6
"""Images drawn of an entry in each direction; all are counted."""
MAX_LISTED = 20
MAX_LINE = 200
MAX_NAME = 80
FENCE = "~~~~~~~~"
"""Around lines that each begin with words or blanks of ours, so none of them can end the block."""
OUTCOMES = ("worse", "better", "changed", "new", "removed", "unchanged")


def to_comment(
    verdicts: list[Verdict], comparisons: Sequence[Comparison], base: Base | None
) -> str:
    """The comment in GitHub's Markdown, in less than `MAX_CHARACTERS`.

    Text of others stands in code only, where it mentions nobody and links nowhere. A part that
    would make the comment too long is left out, and that is said.
    """
    comparisons = sorted(
        comparisons,
        key=lambda comparison: (not _unhappy(comparison, verdicts), _rank(comparison)),
    )
    mark = {0: "\u2705", 1: "\u274c"}.get(exit_code(verdicts), "\u26a0\ufe0f")
    parts = [
        f"### {mark} torchbudget: {summarise(verdicts)}\n\n{_describe_base(base, comparisons)}",
        _show_failures(verdicts),
        _show_changes(verdicts, comparisons, base),
        *(_show_flips(comparison) for comparison in comparisons),
        _show_unchanged(verdicts, comparisons, base),
    ]
    kept: list[str] = []
    length = 0
    for part in filter(None, parts):
        if length + len(part) > MAX_CHARACTERS - 200:
            kept.append("More was left out, because a comment has a limited length.")
            break
        kept.append(part)
        length += len(part) + 2
    return "\n\n".join(kept) + "\n"


def _describe_base(base: Base | None, comparisons: Sequence[Comparison]) -> str:
    if base is None:
        return "Compared with nothing: no base was given."
    commit = _code(base.commit[:12])
    if not base.has_zoo:
        return f"There is no zoo file at the base, {commit}: every entry is new."
    outcomes = [comparison.outcome for comparison in comparisons]
    counts = [f"{outcomes.count(name)} {name}" for name in OUTCOMES if name in outcomes]
    return (
        f"Entries, compared with the base {commit}: {', '.join(counts)}. The misses at the base "
        "are those on its record, which its own judge measured."
    )


# --- failures -------------------------------------------------------------------------------------


def _show_failures(verdicts: list[Verdict]) -> str:
    unhappy = [verdict for verdict in sort_by_urgency(verdicts) if verdict.status not in HARMLESS]
    if not unhappy:
        return ""
    lines = [FENCE]
    for verdict in unhappy[:MAX_FAILURES]:
        lines += [line[:MAX_LINE] for line in failure_lines(verdict)[:MAX_FAILURES]]
    lines.append(FENCE)
    if len(unhappy) > MAX_FAILURES:
        lines.append(f"\nAnd {len(unhappy) - MAX_FAILURES} more, in the log.")
    return "\n".join(lines)


# --- tables ---------------------------------------------------------------------------------------


def _show_changes(
    verdicts: list[Verdict], comparisons: Sequence[Comparison], base: Base | None
) -> str:
    """A table of the entries that differ from the base, a line for each number that does."""
    changed = [comparison for comparison in comparisons if not _is_quiet(comparison, verdicts)]
    if base is None or not changed:
        return ""
    lines = ["| entry | | base | now | difference |", "|---|---|---:|---:|---:|"]
    for comparison in changed[:MAX_CHANGED]:
        name = f"{_code(comparison.entry)} {comparison.outcome}"
        for cells in _rows(comparison, verdicts):
            lines.append(f"| {name} | {' | '.join(cells)} |")
            name = ""
    if len(changed) > MAX_CHANGED:
        lines.append(f"\nAnd {len(changed) - MAX_CHANGED} more entries that differ.")
    return "\n".join(lines)


def _rows(comparison: Comparison, verdicts: list[Verdict]) -> Iterable[tuple[str, ...]]:
    """What is compared, how it was and is, and by how much it differs."""
    now, then = comparison.now, comparison.then
    if now and then and now.entry != then.entry:
        yield "name", _code(then.entry), _code(now.entry), "renamed"
    for label, before, after in comparison.differences:
        if before != after:
            yield label, _number(before), _number(after), _difference(before, after)
    if comparison.lost or comparison.won:
        lost, won = len(comparison.lost), len(comparison.won)
        yield "images missed only there, only here", f"{won:,}", f"{lost:,}", f"{lost - won:+,}"
    if now is not None:
        yield ("verdict", *_compare_verdicts(now.entry, verdicts))


def _compare_verdicts(entry: str, verdicts: list[Verdict]) -> tuple[str, str, str]:
    """What the gates said at the base, as far as is known, what they say, and whose doing it is."""
    mine = [verdict for verdict in verdicts if verdict.entry == entry]
    unhappy = [verdict for verdict in mine if verdict.status not in HARMLESS]
    if not unhappy:
        return "", "pass" if mine else "not judged", ""
    origins = {verdict.origin for verdict in unhappy if verdict.origin}
    inherited = [verdict for verdict in unhappy if verdict.origin is Origin.INHERITED]
    whose = ", ".join(describe_origin(origin) for origin in Origin if origin in origins)
    return _list_gates(inherited), f"**{_list_gates(unhappy)}**", whose


def _list_gates(verdicts: list[Verdict]) -> str:
    parts = []
    for status in Status:
        gates = sorted({verdict.gate for verdict in verdicts if verdict.status is status})
        if gates:
            parts.append(f"{status.replace('_', ' ')}: {', '.join(gates)}")
    return "; ".join(parts)


def _show_unchanged(
    verdicts: list[Verdict], comparisons: Sequence[Comparison], base: Base | None
) -> str:
    """A folded table of the entries whose numbers are those of the base; of all without a base."""
    same = [comparison for comparison in comparisons if comparison.now is not None]
    if base is not None:
        same = [comparison for comparison in same if _is_quiet(comparison, verdicts)]
    if not same:
        return ""
    title = "entries" if base is None else "unchanged entries"
    lines = [
        f"<details><summary>{len(same)} {title}</summary>\n",
        "| entry | parameters | multiply-adds | weight bytes | misses, worst seed |",
        "|---|---:|---:|---:|---:|",
    ]
    for comparison in same[:MAX_UNCHANGED]:
        numbers = [_number(now) for _, _, now in comparison.differences]
        lines.append(f"| {_code(comparison.entry)} | {' | '.join(numbers)} |")
    if len(same) > MAX_UNCHANGED:
        lines.append(f"\nAnd {len(same) - MAX_UNCHANGED} more.")
    return "\n".join([*lines, "\n</details>"])


def _unhappy(comparison: Comparison, verdicts: list[Verdict]) -> bool:
    return any(
        verdict.entry == comparison.entry and verdict.status not in HARMLESS for verdict in verdicts
    )


def _is_quiet(comparison: Comparison, verdicts: list[Verdict]) -> bool:
    """Whether nothing about the entry differs from the base, and nobody need look at it."""
    return comparison.outcome == "unchanged" and not _unhappy(comparison, verdicts)


def _rank(comparison: Comparison) -> int:
    return OUTCOMES.index(comparison.outcome)


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _difference(then: int | None, now: int | None) -> str:
    if then is None or now is None:
        return ""
    share = f" ({100 * (now - then) / then:+.1f} %)" if then else ""
    return f"{now - then:+,}{share}"


# --- the images that flipped ----------------------------------------------------------------------


def _show_flips(comparison: Comparison) -> str:
    """Folded pictures of the images that were right at the base and are missed now, or back."""
    directions = (
        (comparison.lost, "right at the base, missed now"),
        (comparison.won, "missed at the base, right now"),
    )
    if not (comparison.lost or comparison.won):
        return ""
    counts = "; ".join(f"{len(flips):,} {words}" for flips, words in directions if flips)
    lines = [f"<details><summary>{_escape(comparison.entry)}: {counts}</summary>\n"]
    for flips, words in directions:
        if flips:
            lines += [f"{words.capitalize()}: {_list_indices(flips)}\n", FENCE]
            drawn = [(_caption(flip), flip.picture) for flip in flips[:MAX_PICTURES]]
            lines += put_side_by_side(drawn, per_row=3)
            lines += [FENCE, ""]
    return "\n".join([*lines, "</details>"])


def _caption(flip: Flip) -> str:
    return f"#{flip.index} is {flip.label}: {flip.then} -> {flip.now}"


def _list_indices(flips: Sequence[Flip]) -> str:
    shown = [
        f"{flip.index} (seed {', '.join(map(str, flip.seeds))})" for flip in flips[:MAX_LISTED]
    ]
    more = len(flips) - MAX_LISTED
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


# --- text of others -------------------------------------------------------------------------------


def _code(text: str) -> str:
    """The text as code, which is neither Markdown nor a mention, and cannot end a cell."""
    harmless = as_one_line(text[:MAX_NAME]).replace("`", "'").replace("|", "\u00a6")
    return f"`{harmless}`" if harmless.strip() else ""


def _escape(text: str) -> str:
    """The text as HTML code, for where Markdown is not read."""
    harmless = as_one_line(text[:MAX_NAME])
    for character, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        harmless = harmless.replace(character, entity)
    return f"<code>{harmless}</code>"
