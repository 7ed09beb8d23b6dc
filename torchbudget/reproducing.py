"""What `torchbudget reproduce` does: train a recorded run again, and compare the two.

On the same hardware and versions the weights must be the same, byte for byte. Elsewhere rounding
gives other weights from the same seed, so the misses of the two runs are compared with what chance
does to them. What came of it is kept in `reproduced.json` beside the record, never in a sealed run.
"""

import argparse
import json
import math
import os
import shlex
import statistics
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from torchbudget.building.connection import thread_variables
from torchbudget.declare.entry import Ensemble, Entry, changed_fields
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import EXIT_FAIL, EXIT_PASS, ResultsError, Unmeasurable, UsageError
from torchbudget.evidence.files import file_digest, write_atomically
from torchbudget.evidence.results import Hardware, Run, evidence_of, read_results
from torchbudget.gates.statistics import mcnemar_p, student_p
from torchbudget.gates.times import read_time
from torchbudget.project import Project, read_project

REPRODUCED = "reproduced.json"
LEVEL = 0.01
"""The p below which two runs differ by more than chance."""
MAX_SECONDS = 120
"""Recorded seconds of training up to which an entry takes its turn."""
HOW_TO_CONFIGURE = (
    'write train = "COMMAND with {entry} and {seed}" under [tool.torchbudget] in pyproject.toml'
)


class Comparison(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a repetition compared with the recorded run whose weights have the digest `weights`.

    `test` names how they were compared; `p` is None where that was byte for byte.
    """

    reproduced: bool
    test: str
    p: float | None
    recorded_misses: int
    misses: int
    weights: str
    started: str
    hardware: Hardware
    versions: dict[str, str]


def reproduce(options: argparse.Namespace) -> int:
    """Train the run that the options name again, compare it, keep and print what came of it."""
    zoo_file = options.zoo.resolve()
    project = read_project(zoo_file.parent)
    zoo = load_zoo(zoo_file)
    results = zoo_file.parent / "results.json"
    runs = read_results(results)
    entry, seed = choose_run(zoo, runs, options)
    evidence = evidence_of(entry, runs)
    if seed not in evidence:
        raise UsageError(f"{results} has no evidence of {entry.name} with seed {seed}")
    repetition = repeat(entry, evidence[seed], project, zoo_file)
    comparison = compare(evidence[seed], repetition, list(evidence.values()))
    keep(results.parent / REPRODUCED, evidence[seed].stem, comparison)
    print(describe(evidence[seed], comparison))
    return EXIT_PASS if comparison.reproduced else EXIT_FAIL


def choose_run(
    zoo: dict[str, Entry], runs: list[Run], options: argparse.Namespace
) -> tuple[Entry, int]:
    """The entry and seed that are named; with `in_turn` those whose week it is.

    The fastest declared runs take turns, a week each.
    """
    if options.in_turn:
        if options.entry is not None:
            raise UsageError("give ENTRY SEED or --in-turn, not both")
        return choose_in_turn(zoo, runs, datetime.now(UTC))
    if options.entry is None or options.seed is None:
        raise UsageError("give ENTRY and SEED, or --in-turn")
    (entry,) = select_entries(zoo, [options.entry])
    if isinstance(entry, Ensemble):
        raise UsageError(f"{entry.name} is an ensemble: reproduce its members")
    return entry, options.seed


def choose_in_turn(zoo: dict[str, Entry], runs: list[Run], now: datetime) -> tuple[Entry, int]:
    """The declared run whose week `now` is in, of those that trained in `MAX_SECONDS`."""
    fast = [
        (entry, seed)
        for entry in zoo.values()
        if not isinstance(entry, Ensemble)
        for seed, run in sorted(evidence_of(entry, runs).items())
        if run.train_seconds is not None and run.train_seconds <= MAX_SECONDS
    ]
    if not fast:
        raise UsageError(f"no recorded run trained in at most {MAX_SECONDS} s")
    week = (now - datetime(2024, 1, 1, tzinfo=UTC)).days // 7
    return fast[week % len(fast)]


def repeat(entry: Entry, recorded: Run, project: Project, zoo_file: Path) -> Run:
    """The repetition, trained by the project's command, which leaves the record as it is.

    Where there are cores for it, the command's libraries are told to use as many threads as the
    recorded run had, for these decide how its sums were rounded. The repetition is looked for in
    the folder of repetitions. Raises `UsageError` where no command is configured or it changed the
    record, `Unmeasurable` where it recorded no repetition.
    """
    if project.train is None or project.folder is None:
        raise UsageError(f"nothing says how {entry.name} is trained: {HOW_TO_CONFIGURE}")
    record = zoo_file.parent / "results.json"
    repetitions = project.repetitions or zoo_file.parent / "results"
    before = file_digest(record)
    began = datetime.now(UTC).replace(microsecond=0)
    words = [
        word.format(entry=entry.name, seed=recorded.seed) for word in shlex.split(project.train)
    ]
    if words[0] == "python":
        words[0] = sys.executable
    variables = dict(os.environ)
    if 0 < recorded.hardware.threads <= (os.cpu_count() or 0):
        variables |= thread_variables(recorded.hardware.threads)
    print(f"in {project.folder}: {shlex.join(words)}", flush=True)
    try:
        code = subprocess.run(words, cwd=project.folder, env=variables, check=False).returncode
    except OSError as error:
        raise UsageError(f"train = {project.train!r} cannot be run: {error}") from error
    if not record.is_file() or file_digest(record) != before:
        raise UsageError(
            f"the training changed {record}: restore it from git, and have repetitions written "
            f"to {repetitions}"
        )
    for run in read_results(repetitions / "results.json"):
        started = read_time(run.started)
        if run.stem == recorded.stem and started is not None and started >= began:
            return run
    raise Unmeasurable(
        f"the training ended with exit code {code} and recorded no {recorded.stem} in "
        f"{repetitions}",
        "see what it printed",
    )


def compare(recorded: Run, repetition: Run, seeds: list[Run]) -> Comparison:
    """Compare two runs of the same network, recipe and images.

    `seeds` are the entry's evidence, whose spread says what chance does to the misses. Raises
    `UsageError` where they are not the same training.
    """
    for name in ("network", "train", "test"):
        if getattr(recorded.digests, name) != getattr(repetition.digests, name):
            raise UsageError(f"the repetition has another digest of {name}: the record is stale")
    if changed_fields(recorded.recipe, repetition.recipe):
        raise UsageError("the repetition has another recipe: the record is stale")
    if recorded.teacher != repetition.teacher:
        raise UsageError("the repetition was taught by other weights: the record is stale")
    p: float | None = None
    if is_same_machine(recorded, repetition):
        test = "byte for byte, on the same hardware and versions"
        reproduced = recorded.digests.weights == repetition.digests.weights
    else:
        test, p = weigh_misses(recorded, repetition, seeds)
        reproduced = p >= LEVEL
    return Comparison(
        reproduced=reproduced,
        test=test,
        p=p,
        recorded_misses=recorded.test.misses,
        misses=repetition.test.misses,
        weights=recorded.digests.weights,
        started=repetition.started,
        hardware=repetition.hardware,
        versions=repetition.versions,
    )


def is_same_machine(one: Run, other: Run) -> bool:
    """Whether two runs name the same hardware, threads, precision and versions."""
    return (one.hardware, one.precision, one.versions) == (
        other.hardware,
        other.precision,
        other.versions,
    )


def weigh_misses(recorded: Run, repetition: Run, seeds: list[Run]) -> tuple[str, float]:
    """The test of whether chance explains the difference of two runs' misses, and its two-sided p.

    With several seeds that is Student's t of the difference, whose standard deviation is that of
    the seeds times the root of 2; with one, McNemar's exact test on the images that only one of the
    two missed.
    """
    misses = [run.test.misses for run in seeds]
    deviation = statistics.stdev(misses) if len(misses) > 1 else 0.0
    if deviation:
        t = (repetition.test.misses - recorded.test.misses) / (deviation * math.sqrt(2))
        name = f"Student's t by the spread of {len(misses)} seeds (sd {deviation:.1f})"
        return name, round(student_p(t, len(misses) - 1), 6)
    lost = len(repetition.missed.keys() - recorded.missed.keys())
    won = len(recorded.missed.keys() - repetition.missed.keys())
    return "McNemar's exact test on the test images", round(mcnemar_p(lost, won), 6)


def read_reproduced(path: Path) -> dict[str, Comparison]:
    """What is kept of earlier repetitions, by the run's name; raises `ResultsError`."""
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Comparison])
    except (msgspec.DecodeError, ValueError) as error:
        raise ResultsError(f"{path} holds no repetitions: {error}; restore it from git") from error


def keep(path: Path, stem: str, comparison: Comparison) -> None:
    """Keep the comparison in place of an earlier one of the same run."""
    kept = read_reproduced(path) | {stem: comparison}
    plain = {name: msgspec.to_builtins(kept[name]) for name in sorted(kept)}
    write_atomically(path, json.dumps(plain, indent=1) + "\n")


def describe(recorded: Run, comparison: Comparison) -> str:
    """What came of a repetition, in a line."""
    word = "reproduced" if comparison.reproduced else "NOT reproduced"
    p = "" if comparison.p is None else f", p {comparison.p:.3g}"
    return (
        f"{recorded.stem} is {word}: {comparison.recorded_misses} misses recorded, "
        f"{comparison.misses} now; compared by: {comparison.test}{p}"
    )
