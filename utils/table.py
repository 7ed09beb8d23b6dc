"""The table of the zoo, from the evidence.

`python -m utils.table` prints the columns that fit 80 characters, `--wide` all of them; `--json`
gives the same to programs, `--csv` writes a row a run into results.csv, and `--readme` writes the
table into README.md.
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("table")

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from rich.console import Console
from rich.text import Text

from torchbudget.command import Parser, run_main
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import UsageError
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.reading import reading
from torchbudget.report.terminal import make_console, make_table
from torchbudget.report.terminal import show as show_on
from torchbudget.report.text import as_one_line
from utils.runs_csv import make_csv

ROOT = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- zoo table: make readme -->", "<!-- end of zoo table -->"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An entry with what its evidence says; None where there is none.

    `published` is its source's accuracy in per cent, `difference` how many points seed 0, the one
    that ships, is above it. `headroom` is the budget's misses less the worst seed's. `views` are
    those that a prediction averages over, `without_views` the misses of the image alone, by seed.
    Multiply-adds are those of one view.
    """

    entry: str
    dataset: str
    published: float | None
    max_params: int | None
    max_misses: int | None
    difference: float | None = None
    params: int | None = None
    multiply_adds: int | None = None
    epochs: float | None = None
    train_seconds: float | None = None
    device: str | None = None
    misses: list[int] = field(default_factory=list)
    total: int | None = None
    worst: int | None = None
    mean: float | None = None
    headroom: int | None = None
    views: int | None = None
    without_views: list[int] | None = None
    taught_by: str | None = None


def make_row(entry: Entry, runs: list[Run]) -> Row:
    """One line of the zoo's table, from the evidence of the entry's seeds."""
    evidence = [run for _, run in sorted(evidence_of(entry, runs).items())]
    declared = {
        "entry": entry.name,
        "dataset": entry.dataset,
        "published": entry.published,
        "max_params": entry.budget.max_params,
        "max_misses": entry.budget.max_misses,
    }
    if not evidence:
        return Row(**declared)
    first = evidence[0]
    misses = [run.test.misses for run in evidence]
    difference = None
    if entry.published is not None:
        accuracy = 100 * (1 - first.test.misses / max(first.test.total, 1))
        difference = round(accuracy - entry.published, 3)
    headroom = None
    if entry.budget.max_misses is not None:
        headroom = entry.budget.max_misses - max(misses)
    seconds = [run.train_seconds for run in evidence if run.train_seconds is not None]
    without_views = [run.test_without_views for run in evidence if run.test_without_views]
    return Row(
        **declared,
        difference=difference,
        params=first.params,
        multiply_adds=first.multiply_adds,
        epochs=None if first.epochs is None else round(first.epochs, 2),
        train_seconds=statistics.median(seconds) if seconds else None,
        device=first.hardware.device,
        misses=misses,
        total=first.test.total,
        worst=max(misses),
        mean=statistics.mean(misses),
        headroom=headroom,
        views=len(first.views) or None,
        without_views=[score.misses for score in without_views] or None,
        taught_by=first.teacher.entry if first.teacher else None,
    )


def show_published(row: Row) -> str:
    return "" if row.published is None else f"{row.published:.3f}%".replace("0%", "%")


def show_accuracy(row: Row) -> str:
    """Of seed 0: two decimals where an image is 0.01 %, else three."""
    if not row.misses or not row.total:
        return ""
    decimals = 2 if row.total == 10_000 else 3
    return f"{1 - row.misses[0] / row.total:.{decimals}%}"


def show_seconds(row: Row) -> str:
    """Of training: whole ones, below ten with a decimal."""
    seconds = row.train_seconds
    return show(seconds, "{:.1f}" if seconds is not None and seconds < 9.95 else "{:.0f}")


def show_views(row: Row) -> str:
    """How many there are, and the mean of the misses without them."""
    if not row.views or not row.without_views:
        return ""
    return f"{row.views} ({statistics.mean(row.without_views):.1f} without)"


def show(value: object, form: str) -> str:
    """`value` in a format such as "{:,}"; "" where there is none."""
    return "" if value is None else form.format(value)


COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("entry", lambda row: row.entry),
    ("test images", lambda row: row.dataset),
    ("published", show_published),
    ("ours", show_accuracy),
    ("difference", lambda row: show(row.difference, "{:+.3f}")),
    ("misses, worst", lambda row: f"{row.worst} of {row.total:,}" if row.misses else ""),
    ("misses, mean", lambda row: show(row.mean, "{:.1f}")),
    ("at most", lambda row: show(row.max_misses, "{}")),
    ("headroom", lambda row: show(row.headroom, "{:+d}")),
    ("seeds", lambda row: str(len(row.misses))),
    ("parameters", lambda row: show(row.params, "{:,}")),
    ("budget", lambda row: show(row.max_params, "< {:,}")),
    ("multiply-adds", lambda row: show(row.multiply_adds and row.multiply_adds / 1e6, "{:.2f} M")),
    ("epochs", lambda row: show(row.epochs, "{:.0f}")),
    ("seconds", show_seconds),
    ("views", show_views),
    ("taught by", lambda row: row.taught_by or ""),
)
"""Heading of each column, and the cell of a row; "" is shown as a dash."""

UNCUT = 1_000
"""Columns of the widest table."""
NARROW = ("entry", "ours", "misses, worst", "at most", "parameters", "seconds")
"""The columns that fit a terminal of 80."""


def list_headings(rows: list[Row], wide: bool = True) -> list[str]:
    """The columns of a table of `rows`.

    A wide one says who taught where any was taught, how many views there are where there are any,
    and whose test images they are where they differ.
    """
    also = {
        "views": wide and any(row.views for row in rows),
        "taught by": wide and any(row.taught_by for row in rows),
        "test images": wide and len({row.dataset for row in rows}) > 1,
    }
    return [heading for heading, _ in COLUMNS if also.get(heading, wide or heading in NARROW)]


def format_row(row: Row, headings: Sequence[str] | None = None) -> list[str]:
    """The cells of a row under `headings`, by default all; a dash where there is nothing to say."""
    headings = headings or list_headings([row])
    return [show(row) or "-" for heading, show in COLUMNS if heading in headings]


def print_zoo(rows: list[Row], console: Console | None = None, wide: bool = False) -> None:
    """The zoo as a table, with the hardware that the seconds were measured on."""
    console = console or make_console()
    headings = list_headings(rows, wide)
    table = make_table()
    for heading in headings:
        side = "left" if heading == "entry" else "right"
        table.add_column(heading, justify=side, no_wrap=wide or heading == "entry")
    for row in rows:
        table.add_row(*format_row(row, headings), style="" if (row.headroom or 0) >= 0 else "red")
    if wide:  # nothing is cut: lines that are longer than the terminal go on below
        whole = console.options.update(width=UNCUT)
        console.width = max(console.width, console.measure(table, options=whole).maximum)
    show_on(console, table)
    show_on(console, Text("seconds: of training and augmentation, the median over the seeds,"))
    show_on(console, Text(f"on {_devices(rows)}"))
    if not wide:
        show_on(console, Text("all columns: --wide (make view-results ARGS=--wide)"))


def format_markdown_row(row: Row, headings: Sequence[str]) -> str:
    name, *cells = format_row(row, headings)
    return "| " + " | ".join([f"`{name}`", *cells]) + " |"


def readme_table(rows: list[Row]) -> str:
    """The same as Markdown, between its markers."""
    headings = list_headings(rows)
    lines = ["| " + " | ".join(headings) + " |", "|---|" + "---:|" * (len(headings) - 1)]
    lines += [format_markdown_row(row, headings) for row in rows]
    note = (
        "Misses of the test images by the final weights, which read them once. Ours: seed 0, in "
        "per cent, and the difference in points. Seconds: training and augmentation, median over "
        f"the seeds, of an ensemble those of all its members together, on {_devices(rows)}. "
        "Views: of how many a prediction is the mean, and the mean of the misses without; "
        "multiply-adds are those of one view."
    )
    return "\n".join([BEGIN, *lines, "", note, END])


def _devices(rows: list[Row]) -> str:
    named = sorted({as_one_line(row.device) for row in rows if row.device})
    return "; ".join(named) or "no hardware yet"


def write_readme(path: Path, rows: list[Row]) -> bool:
    """Put the table between its markers in `path`; whether that changed anything.

    Raises `UsageError` where the markers are missing.
    """
    with reading(path, UsageError, "cannot be read"):
        text = path.read_text(encoding="utf-8")
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise UsageError(f"{path} lacks the lines {BEGIN} and {END}, in this order")
    new = head + readme_table(rows) + tail
    if new == text:
        return False
    write_atomically(path, new)
    return True


def make_rows(zoo_file: Path, results: Path) -> list[Row]:
    """A row for each entry of the zoo file; raises `ZooError` and `ResultsError`."""
    runs = read_results(results)
    return [make_row(entry, runs) for entry in load_zoo(zoo_file, served=("utils",)).values()]


def refresh_readme(zoo_file: Path, results: Path) -> Path | None:
    """Bring the table in the README beside a zoo file up to date; the file where it changed.

    Nothing happens where there is no table there, or where the record is not this zoo's own.
    """
    readme = zoo_file.parent / "README.md"
    own = results.resolve() == (zoo_file.parent / "results.json").resolve()
    if not own or not readme.is_file() or BEGIN not in readme.read_text(encoding="utf-8"):
        return None
    return readme if write_readme(readme, make_rows(zoo_file, results)) else None


BESIDE = Path()
"""Stands for the README that is beside the zoo file."""


def main(argv: list[str] | None = None) -> int:
    """Print the zoo's table, or write it where asked."""
    parser = Parser(
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
        const=BESIDE,
        help="write the table into this file; default: README.md beside the zoo file",
    )
    parser.add_argument(
        "--csv",
        type=Path,
        nargs="?",
        const=BESIDE,
        help="write a row for each run into this file; default: results.csv beside the zoo file",
    )
    parser.add_argument("--wide", action="store_true", help="all columns")
    return run_main(lambda: show_zoo(parser.parse_args(argv)), "table")


def write_csv(path: Path, options: argparse.Namespace) -> None:
    """Write a row for each run of the zoo that the options name."""
    runs = read_results(options.results or options.zoo.parent / "results.json")
    entries = list(load_zoo(options.zoo, served=("utils",)).values())
    write_atomically(path, make_csv(entries, runs, options.zoo.parent / "weights"))


def show_zoo(options: argparse.Namespace) -> None:
    """Print the table, or write it, as the options say."""
    if options.results and not options.results.is_file():
        raise UsageError(f"--results {options.results} is not a file")
    if options.csv:
        beside = options.zoo.parent / "results.csv"
        write_csv(beside if options.csv == BESIDE else options.csv, options)
        return
    rows = make_rows(options.zoo, options.results or options.zoo.parent / "results.json")
    if options.readme:
        beside = options.zoo.parent / "README.md"
        write_readme(beside if options.readme == BESIDE else options.readme, rows)
    elif options.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print_zoo(rows, wide=options.wide)


if __name__ == "__main__":
    sys.exit(main())
