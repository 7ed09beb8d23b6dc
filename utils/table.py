"""The table of the zoo, from the evidence.

`python -m utils.table` prints it; `--json` gives the same to programs, `--readme` writes it into README.md.
"""

import argparse
import json
import statistics
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import ResultsError, ZooError
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.report.terminal import make_console, make_table

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- zoo table: make readme -->", "<!-- end of zoo table -->"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An entry with what its evidence says; None where there is none. `headroom` is the budget's misses less the worst seed's.

    `published` is its source's accuracy in per cent, `difference` how many points seed 0, the one that ships, is above it.
    """

    entry: str
    dataset: str
    published: float | None
    difference: float | None
    params: int | None
    max_params: int
    multiply_adds: int | None
    epochs: float | None
    train_seconds: float | None
    device: str | None
    misses: list[int]
    total: int | None
    worst: int | None
    mean: float | None
    max_misses: int | None
    headroom: int | None
    without_views: list[int] | None


def make_row(entry: Entry, runs: list[Run]) -> Row:
    """One line of the zoo's table, from the evidence of the entry's seeds."""
    evidence = [run for seed, run in sorted(evidence_of(entry, runs).items())]
    misses = [run.test.misses for run in evidence]
    first = evidence[0] if evidence else None
    return Row(
        entry=entry.name,
        dataset=entry.dataset,
        published=entry.published,
        difference=round(100 * (1 - first.test.misses / first.test.total) - entry.published, 3)
        if first and entry.published is not None
        else None,
        params=first and first.params,
        max_params=entry.budget.max_params,
        multiply_adds=first and first.multiply_adds,
        epochs=first and round(first.epochs, 2),
        train_seconds=statistics.median(run.train_seconds for run in evidence)
        if evidence
        else None,
        device=first and first.hardware.device,
        misses=misses,
        total=first and first.test.total,
        worst=max(misses, default=None),
        mean=statistics.mean(misses) if misses else None,
        max_misses=entry.budget.max_misses,
        headroom=entry.budget.max_misses - max(misses)
        if misses and entry.budget.max_misses is not None
        else None,
        without_views=[run.test_without_views.misses for run in evidence if run.test_without_views]
        or None,
    )


HEADINGS = (
    "entry",
    "published",
    "ours",
    "difference",
    "misses, worst",
    "misses, mean",
    "at most",
    "headroom",
    "seeds",
    "parameters",
    "budget",
    "multiply-adds",
    "epochs",
    "seconds",
)


def format_row(row: Row) -> list[str]:
    """The cells under `HEADINGS`; a dash where there is nothing to say or no evidence."""
    limit, headroom = (
        "-" if value is None else f"{value:{form}}"
        for value, form in ((row.max_misses, ""), (row.headroom, "+d"))
    )
    published = "-" if row.published is None else f"{row.published:.3f}%".replace("0%", "%")
    if not row.misses:
        return [
            row.entry,
            published,
            *["-"] * 4,
            limit,
            "-",
            "0",
            "-",
            f"< {row.max_params:,}",
            *["-"] * 3,
        ]
    return [
        row.entry,
        published,
        f"{1 - row.misses[0] / row.total:.{2 if row.total == 10_000 else 3}%}",
        "-" if row.difference is None else f"{row.difference:+.3f}",
        f"{row.worst} of {row.total:,}",
        f"{row.mean:.1f}",
        limit,
        headroom,
        str(len(row.misses)),
        f"{row.params:,}",
        f"< {row.max_params:,}",
        f"{row.multiply_adds / 1e6:.2f} M",
        f"{row.epochs:.0f}",
        f"{row.train_seconds:.0f}",
    ]


def print_zoo(rows: list[Row], console: Console | None = None) -> None:
    """The zoo as a table, with the hardware that the seconds were measured on."""
    console = console or make_console()
    table = make_table()
    for index, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if index else "left")
    for row in rows:
        table.add_row(*format_row(row), style="" if (row.headroom or 0) >= 0 else "red")
    console.print(table)
    console.print(
        f"seconds: training and augmentation, median over the seeds, on {_devices(rows)}",
        soft_wrap=True,
    )


def readme_table(rows: list[Row]) -> str:
    """The same as Markdown, between its markers."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---|" + "---:|" * (len(HEADINGS) - 1)]
    lines += [
        "| " + " | ".join([f"`{cells[0]}`", *cells[1:]]) + " |" for cells in map(format_row, rows)
    ]
    note = (
        "Misses of the test images (MNIST's 10,000, or the 28,000 of `kaggle_deal`) by the final weights, read once. Ours: seed 0, in per cent, and the "
        "difference in points. Seconds: training and augmentation, median over the seeds, of an ensemble those of all its members together, "
        f"on {_devices(rows)}."
    )
    return "\n".join([BEGIN, *lines, "", note, END])


def _devices(rows: list[Row]) -> str:
    return "; ".join(sorted({row.device for row in rows if row.device})) or "no hardware yet"


def write_readme(path: Path, rows: list[Row]) -> None:
    """Put the table between its markers in `path`; raises ValueError where they are missing."""
    text = path.read_text()
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the lines {BEGIN} and {END}, in this order")
    write_atomically(path, lambda partial: partial.write_text(head + readme_table(rows) + tail))


def main(argv: list[str] | None = None) -> int:
    """Print the zoo's table, or write it where asked."""
    parser = argparse.ArgumentParser(
        prog="python -m utils.table",
        description="The zoo's table, from the evidence in results.json.",
    )
    parser.add_argument("--zoo", type=Path, default=ROOT / "zoo.py")
    parser.add_argument("--results", type=Path, help="default: results.json beside the zoo file")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument(
        "--readme",
        type=Path,
        nargs="?",
        const=ROOT / "README.md",
        help="write the table into this file",
    )
    options = parser.parse_args(argv)
    try:
        runs = read_results(options.results or options.zoo.parent / "results.json")
        rows = [make_row(entry, runs) for entry in load_zoo(options.zoo).values()]
        if options.readme:
            write_readme(options.readme, rows)
        elif options.json:
            print(json.dumps([asdict(row) for row in rows], indent=1))
        else:
            print_zoo(rows)
    except (ZooError, ResultsError, ValueError, OSError) as error:
        print(f"table: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
