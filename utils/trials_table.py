"""The lab book as a table: `python -m utils.trials_table`, by entry, the newest trial last.

`--wide` shows all columns.
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("trials")

import sys
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.text import Text

from torchbudget.command import Parser, run_main
from torchbudget.errors import UsageError
from torchbudget.report.terminal import make_console, make_table, show
from torchbudget.report.text import as_one_line
from utils.lab_book import BOOK, Trial, read_book
from utils.trials import compare

ROOT = Path(__file__).resolve().parent.parent


def find_declared(trial: Trial, trials: list[Trial]) -> Trial | None:
    """The newest trial of the same entry as declared, by the same val images and another line."""
    declared = [
        other
        for other in trials
        if other.entry == trial.entry
        and not other.overrides
        and other.val == trial.val
        and other.by_seed.keys() & trial.by_seed.keys()
    ]
    return max(declared, key=lambda other: other.started, default=None)


def show_difference(trial: Trial, trials: list[Trial]) -> str:
    """The paired difference from the entry as declared, "-2.4 +-3.7"; "" where there is none."""
    declared = find_declared(trial, trials)
    if declared is None or not trial.overrides:
        return ""
    difference = compare(trial, declared)
    if difference.high is None:
        return f"{difference.mean:+.1f}"
    return f"{difference.mean:+.1f} ±{difference.high - difference.mean:.1f}"


COLUMNS: tuple[tuple[str, Callable[[Trial, list[Trial]], str]], ...] = (
    (
        "trial",
        lambda trial, _: "\n  ".join(map(as_one_line, [trial.entry, *trial.overrides])),
    ),
    ("seeds", lambda trial, _: str(len(trial.seeds))),
    ("mean", lambda trial, _: f"{trial.mean:.1f}"),
    ("sd", lambda trial, _: "" if trial.deviation is None else f"{trial.deviation:.1f}"),
    ("of val", lambda trial, _: f"{trial.val_images:,}"),
    ("to declared", show_difference),
    ("date", lambda trial, _: as_one_line(trial.started[:10])),
    ("misses", lambda trial, _: " ".join(map(str, trial.misses))),
    ("parameters", lambda trial, _: f"{trial.params:,}"),
    ("data", lambda trial, _: as_one_line(trial.dataset)),
    ("stored", lambda trial, _: as_one_line(trial.stored)),
    ("s a seed", lambda trial, _: f"{sum(trial.seconds) / len(trial.seconds):.0f}"),
    ("precision", lambda trial, _: as_one_line(trial.precision)),
    ("device", lambda trial, _: as_one_line(trial.hardware.device)),
    ("torch", lambda trial, _: as_one_line(trial.versions.get("torch", ""))),
    ("commit", lambda trial, _: as_one_line(trial.commit)),
    ("command", lambda trial, _: as_one_line(trial.command)),
)
"""Heading of each column, and the cell of a trial in a book; "" is shown as a dash."""
NUM_NARROW = 7
"""The columns that fit a terminal of 80."""
UNCUT = 2_000
"""Columns of the widest table."""


def print_trials(trials: list[Trial], console: Console | None = None, wide: bool = False) -> None:
    """The trials by entry, in the order in which the entries were first tried, the newest last."""
    console = console or make_console()
    columns = COLUMNS if wide else COLUMNS[:NUM_NARROW]
    table = make_table()
    for heading, _ in columns:
        left = heading in ("trial", "command")
        table.add_column(
            heading,
            justify="left" if left else "right",
            no_wrap=wide or heading != "trial",
            overflow="fold",
        )
    entries = list(dict.fromkeys(trial.entry for trial in trials))
    for trial in sorted(trials, key=lambda trial: (entries.index(trial.entry), trial.started)):
        table.add_row(*(cell(trial, trials) or "-" for _, cell in columns))
    if wide:  # nothing is cut: lines that are longer than the terminal go on below
        whole = console.options.update(width=UNCUT)
        console.width = max(console.width, console.measure(table, options=whole).maximum)
    show(console, table)
    show(console, Text("misses of val; to declared: the mean difference, seed by seed, with its"))
    show(console, Text("95 % interval by Student's t" + ("" if wide else "; all columns: --wide")))


def main(argv: list[str] | None = None) -> int:
    """Print the lab book; the exit code."""
    parser = Parser(prog="python -m utils.trials_table", description=__doc__)
    parser.add_argument("--lab", type=Path, default=ROOT / BOOK, help="the lab book")
    parser.add_argument("--wide", action="store_true", help="all columns")

    def go() -> None:
        options = parser.parse_args(argv)
        trials = read_book(options.lab)
        if not trials:
            raise UsageError(
                f"{options.lab} holds no trial; make one: python train.py slim --trial"
            )
        print_trials(trials, wide=options.wide)

    return run_main(go, "trials")


if __name__ == "__main__":
    sys.exit(main())
