"""The public figures that `docs/references.md` lists, read from its table."""

import re
from dataclasses import dataclass
from pathlib import Path

from torchbudget.errors import UsageError
from torchbudget.reading import reading

HEADING = "| budget | claimed | where | protocol |"


@dataclass(frozen=True, kw_only=True)
class PublicFigure:
    """A figure that somebody published for MNIST's test images, and how it came about.

    `misses` are of 10,000 images, computed from the accuracy claimed; `params` and `seconds` are
    None where they are not said.
    """

    claimed: str
    where: str
    protocol: str
    misses: float
    params: int | None = None
    seconds: float | None = None

    @property
    def title(self) -> str:
        return f"{self.claimed}, {self.where}: {self.protocol}"


def read_published(references: Path) -> list[PublicFigure]:
    """The figures in the last table of `docs/references.md`; raises `UsageError` without one.

    A row counts whose test images are MNIST's own, that is, every one but Kaggle's.
    """
    with reading(references, UsageError, "cannot be read"):
        _, found, rest = references.read_text(encoding="utf-8").partition(HEADING)
    if not found:
        raise UsageError(f"{references} lacks the table that begins with {HEADING}")
    table = rest.split("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    return [read_row(*row) for row in rows if row[0] != "Kaggle"]


def read_row(budget: str, claimed: str, where: str, protocol: str) -> PublicFigure:
    """A figure from its row; the accuracy stands in `claimed`, that of a time in `budget`."""
    percent = re.search(r"([\d.]+) %", claimed) or re.search(r"([\d.]+) %", budget)
    if percent is None:
        raise UsageError(f"the public figure {claimed!r} of {where} says no accuracy in per cent")
    params = re.search(r" at ([\d,]+)", claimed)
    seconds = re.search(r"([\d.]+) s\b", claimed)
    return PublicFigure(
        claimed=f"{claimed} ({budget})",
        where=where,
        protocol=protocol,
        misses=round(100 * (100 - float(percent[1])), 6),
        params=int(params[1].replace(",", "")) if params else None,
        seconds=float(seconds[1]) if seconds else None,
    )
