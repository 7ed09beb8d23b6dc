"""Disturb trainings of every kind of recipe, and print what they survived.

    make storm                                   # 100 kills and the rest, at most 15 minutes
    make storm RECORD=1                          # and write the table into docs/training.md
    make storm ARGS="--kills 9 --disks 4 --writes 5 --spoiled 5 --workers 2 --minutes 4"

Exit codes: 0 the law held · 1 it was broken · 3 the time was up before all was tried, nothing can
be mounted, or Ray is not installed
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("storm")

import random
import sys
import tempfile
import time
from pathlib import Path

from storm.areas import (
    Storm,
    Undisturbed,
    crowd_record,
    kill_runs,
    run_undisturbed,
    spoil_checkpoints,
)
from storm.cluster import lose_workers
from storm.disks import fill_disks
from storm.process import ZOO, Tally, prepare_forks
from torchbudget.command import (
    Parser,
    positive_number,
    positive_whole_number,
    run_main,
    whole_number,
)
from torchbudget.declare.teaching import list_teachers
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import EXIT_FAIL, EXIT_PASS, EXIT_UNMEASURED, UsageError
from torchbudget.evidence.files import write_atomically
from torchbudget.report.text import as_one_line

DOCS = Path(__file__).resolve().parents[2] / "docs" / "training.md"
BEGIN = "<!-- storm: begin -->"
END = "<!-- storm: end -->"
WHOLE = {"kills": 100, "disks": 40, "writes": 20, "spoiled": 20, "workers": 10}
SHARES = {"kills": 0.5, "disks": 0.7, "writes": 0.75, "spoiled": 0.85, "workers": 1.0}
"""The part of the time that is over when an area ends, at the latest."""
MAX_SHOWN = 20


def main() -> int:
    """Storm as the command line asks; the exit code."""
    parser = Parser(prog="make storm", description=__doc__)
    for name, count in WHOLE.items():
        text = f"default: {count}"
        parser.add_argument(f"--{name}", type=positive_whole_number, default=count, help=text)
    parser.add_argument("--minutes", type=positive_number, default=15.0, help="default: 15")
    parser.add_argument("--seed", type=whole_number, default=0)
    parser.add_argument("--record", action="store_true", help="write the table into the docs")
    options = parser.parse_args()
    wanted = {name: getattr(options, name) for name in WHOLE}
    if options.record and any(wanted[name] < count for name, count in WHOLE.items()):
        raise UsageError("--record keeps a whole storm; this one is cut short")
    prepare_forks()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        tallies = storm(Path(place), wanted, options.seed, 60 * options.minutes)
    print(f"{time.monotonic() - began:.0f} s")
    for tally in tallies:
        for line in tally.broke[:MAX_SHOWN]:
            print(f"{tally.area}: {as_one_line(line)[:600]}")
    if any(tally.broke for tally in tallies):
        return EXIT_FAIL
    if any(tally.tried < least for tally, least in zip(tallies, wanted.values(), strict=True)):
        print("not all was tried: the time was up, or this machine lacks what a line above names")
        return EXIT_UNMEASURED
    if options.record:
        record(tallies)
    return EXIT_PASS


def storm(folder: Path, wanted: dict[str, int], seed: int, limit: float) -> list[Tally]:
    """Run all areas in `limit` seconds; a table with a line for each is printed as they end."""
    began = time.monotonic()
    undisturbed: dict[str, Undisturbed] = {}
    for name, entry in load_zoo(ZOO, served=("utils",)).items():
        places = [undisturbed[teacher.name].place for teacher, _ in list_teachers(entry)]
        undisturbed[name] = run_undisturbed(folder, name, *places or [None])
    draw = random.Random(seed)
    seconds = sum(run.seconds for run in undisturbed.values()) / len(undisturbed)
    names = ", ".join(undisturbed)
    print(f"{len(undisturbed)} recipes, {seconds:.1f} s a run: {names}", flush=True)
    areas = {
        "kills": kill_runs,
        "disks": fill_disks,
        "writes": crowd_record,
        "spoiled": spoil_checkpoints,
        "workers": lose_workers,
    }
    tallies = []
    print(f"{'area':<22}{'tried':>7}{'broke':>7}{'reads':>9}  notes", flush=True)
    for name, area in areas.items():
        deadline = began + limit * SHARES[name]
        tally = area(Storm(undisturbed, folder, draw, deadline), wanted[name])
        tallies.append(tally)
        counts = f"{tally.tried:>7,}{len(tally.broke):>7,}{tally.reads:>9,}"
        print(f"{tally.area:<22}{counts}  {tally.notes}", flush=True)
    return tallies


def record(tallies: list[Tally]) -> None:
    """Write the table of what was survived into the documentation."""
    lines = [
        "| | tried | broke the law | reads of the record meanwhile | |",
        "|---|---:|---:|---:|---|",
    ]
    for tally in tallies:
        reads = f"{tally.reads:,}" if tally.reads else ""
        counts = f"{tally.tried:,} | {len(tally.broke):,} | {reads}"
        lines.append(f"| {tally.area} | {counts} | {tally.notes} |")
    text = DOCS.read_text(encoding="utf-8")
    head, rest = text.split(BEGIN)
    _, tail = rest.split(END)
    write_atomically(DOCS, f"{head}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{tail}")
    print(f"written: {DOCS}")


if __name__ == "__main__":
    sys.exit(run_main(main, "storm"))
