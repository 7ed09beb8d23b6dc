"""Merges two results files run by run, for a version control system that merges lines.

Two branches that add or renew different runs both keep what they did. A run that both renewed is a
conflict: only one of two trainings has its weights in `weights/`.
"""

from dataclasses import dataclass
from pathlib import Path

from torchbudget.evidence.results import Run, read_results, write_results


@dataclass(frozen=True)
class Conflict:
    """A run that both sides changed since their common base; None where a side removed it."""

    stem: str
    ours: Run | None
    theirs: Run | None


def merge_runs(
    base: list[Run], ours: list[Run], theirs: list[Run]
) -> tuple[list[Run], list[Conflict]]:
    """The runs of both sides, sorted by their stems, and what both changed.

    A run that only one side added, renewed or removed is as that side has it. Of a conflict, the
    merged runs hold what `ours` has.
    """
    before, mine, other = ({run.stem: run for run in runs} for runs in (base, ours, theirs))
    merged: list[Run] = []
    conflicts: list[Conflict] = []
    for stem in sorted({*before, *mine, *other}):
        kept = mine.get(stem)
        if kept == before.get(stem):
            kept = other.get(stem)
        elif other.get(stem) not in (before.get(stem), kept):
            conflicts.append(Conflict(stem, mine.get(stem), other.get(stem)))
        if kept is not None:
            merged.append(kept)
    return merged, conflicts


def merge_files(base: Path, ours: Path, theirs: Path) -> list[Conflict]:
    """Merge three results files into `ours`, as a merge driver of git does; raises `ResultsError`.

    `base` may be empty or missing: then both sides began with no run.
    """
    began = base.is_file() and base.stat().st_size > 0
    merged, conflicts = merge_runs(
        read_results(base, canonical=False) if began else [],
        read_results(ours),
        read_results(theirs),
    )
    write_results(ours, merged)
    return conflicts
