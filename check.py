"""Judge the zoo: every gate on every entry, failures first, then the count and the exit code.

    python check.py                          # all entries, all gates, all shipped weights re-measured
    python check.py slim --only params,structure
    python check.py --zoo my/zoo.py          # anybody's zoo file; its results.json and weights/ are expected beside it

Exit codes: 0 all gates ran and passed · 1 a gate failed · 2 wrong usage or configuration · 3 something could not be measured.
"""

import argparse
import functools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import environment
from gates import GATES, Observation, judge
from utils import report
from utils.checkpoint import write_atomically
from utils.data import load_dataset
from utils.entry import Entry
from utils.evidence import EvidenceError, Run, read_results
from utils.verdict import EXIT_USAGE, Status, Verdict, exit_code
from utils.zoofile import ZooError, load_zoo, locate, select_entries

HERE = Path(__file__).resolve().parent
JSON_SCHEMA = 1


def judge_zoo(entries: list[Entry], gates: list[str], runs: list[Run], weights: Path, data_root: Path | None) -> Iterator[Verdict]:
    """A verdict for each entry and gate, entry by entry."""
    load = functools.cache(lambda name: load_dataset(name, data_root))
    platform = (environment.cpu_name(), environment.installed_version("torch"))
    for entry in entries:
        observation = Observation(entry, runs, weights, load, platform)
        for gate in gates:
            yield judge(gate, entry, observation)


def judge_orphans(zoo: dict[str, Entry], runs: list[Run]) -> Iterator[Verdict]:
    """A failure for each entry of which there are runs but which the zoo no longer declares."""
    for name in sorted({run.entry for run in runs} - set(zoo)):
        yield Verdict(
            gate="chain",
            status=Status.FAIL,
            entry=name,
            observed=f"{sum(run.entry == name for run in runs)} runs recorded, no such entry",
            expected="every run belongs to an entry of the zoo",
            remedy="bring the entry back, or remove its runs and weights in a commit that says so",
        )


def select_gates(only: str) -> list[str]:
    """The gates named in "a,b", or all; raises `ZooError` for an unknown one."""
    names = [name.strip() for name in only.split(",")] if only else list(GATES)
    for name in names:
        if name not in GATES:
            raise ZooError(f"no gate {name!r}; there are {', '.join(GATES)}")
    return names


def to_json(verdicts: list[Verdict]) -> str:
    """The verdicts for programs: versioned, in the order they were judged."""
    return json.dumps({"schema": JSON_SCHEMA, "exit_code": exit_code(verdicts), "verdicts": [asdict(verdict) for verdict in verdicts]}, indent=1)


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("entries", nargs="*", metavar="ENTRY", help="default: all")
    parser.add_argument("--only", default="", metavar="GATE,...", help=f"of {', '.join(GATES)}; default: all")
    parser.add_argument("--zoo", type=Path, default=HERE / "zoo.py", help="the zoo file to judge")
    parser.add_argument("--results", type=Path, help="default: results.json beside the zoo file")
    parser.add_argument("--weights", type=Path, help="default: weights/ beside the zoo file")
    parser.add_argument("--data-root", type=Path, help="a torchvision MNIST root; default: MNIST_ROOT, then data/, downloaded")
    parser.add_argument("--json", metavar="FILE", help="write the verdicts as JSON; - writes them to stdout instead of the report")
    parser.add_argument("--summary", type=Path, metavar="FILE", help="write the verdicts as a Markdown table")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Judge what was asked for, report it, return the exit code."""
    options = make_parser().parse_args(argv)
    try:
        zoo = load_zoo(options.zoo)
        entries, gates = select_entries(zoo, options.entries), select_gates(options.only)
        runs = read_results(options.results or options.zoo.parent / "results.json")
    except (ZooError, EvidenceError) as error:
        print(f"check.py: {error}", file=sys.stderr)
        return EXIT_USAGE
    weights = options.weights or options.zoo.parent / "weights"
    verdicts = [verdict.of(where=locate(options.zoo, verdict.entry, verdict.field)) for verdict in judge_zoo(entries, gates, runs, weights, options.data_root)]
    verdicts += judge_orphans(zoo, runs) if not options.entries and "chain" in gates else []
    try:
        if options.summary:
            write_atomically(options.summary, lambda path: path.write_text(report.to_markdown(verdicts)))
        if options.json and options.json != "-":
            write_atomically(Path(options.json), lambda path: path.write_text(to_json(verdicts) + "\n"))
    except OSError as error:
        print(f"check.py: the report cannot be written: {error}", file=sys.stderr)
        return EXIT_USAGE
    if options.json == "-":
        print(to_json(verdicts))
    else:
        report.print_verdicts(verdicts)
    return exit_code(verdicts)


if __name__ == "__main__":
    sys.exit(main())
