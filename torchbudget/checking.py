"""What `check`, `why` and `explain` do: judge, report, return the exit code."""

import argparse
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torchbudget.building.client import SECONDS
from torchbudget.building.connection import MEMORY
from torchbudget.confinement import RULES
from torchbudget.declare.zoofile import select_entries
from torchbudget.engine import Engine, explain
from torchbudget.errors import EXIT_PASS, UsageError
from torchbudget.evidence.files import check_outputs, write_atomically
from torchbudget.fingerprints import digest_judge, find_commit
from torchbudget.gates import GATES
from torchbudget.gates.waivers import WAIVERS_FILE
from torchbudget.project import find_train_command
from torchbudget.reading import follow_links
from torchbudget.report import terminal
from torchbudget.report.badge import draw_badge
from torchbudget.report.basis import Basis
from torchbudget.report.comment import to_comment
from torchbudget.report.comparison import Base, Comparison
from torchbudget.report.formats import to_annotations, to_json, to_junit, to_sarif
from torchbudget.report.markdown import to_markdown
from torchbudget.report.metrics import Metrics
from torchbudget.report.progress import LiveLine
from torchbudget.report.shard import Shard
from torchbudget.report.verdict import Status, Verdict, exit_code
from torchbudget.shards import choose_entries, describe_shard, merge_shards
from torchbudget.since import find_unchanged


@dataclass(frozen=True)
class Findings:
    """What a check comes to, for every report.

    `baseline` are the metrics of what the zoo is compared with, `allowed` the rules that the system
    did not enforce on the zoo's code, `shard` the part of a check that this is, if it is one,
    `basis` what the verdicts rest on, where JSON is to tell it, `comparisons` what the change since
    `base` did.
    """

    verdicts: list[Verdict]
    metrics: list[Metrics]
    baseline: Sequence[Metrics]
    allowed: Sequence[str]
    shard: Shard | None = None
    basis: Basis | None = None
    base: Base | None = None
    comparisons: Sequence[Comparison] = ()

    def to_json(self) -> str:
        """The findings as JSON."""
        rules = {
            "forbidden": [rule for rule in RULES if rule not in self.allowed],
            "allowed": [rule for rule in RULES if rule in self.allowed],
        }
        return to_json(
            self.verdicts,
            self.metrics,
            confinement=rules,
            shard=self.shard,
            basis=self.basis,
            base=self.base,
            comparisons=self.comparisons if self.shard else (),
        )

    def to_markdown(self) -> str:
        """The findings as Markdown."""
        return to_markdown(self.verdicts, self.metrics, self.baseline)


def explain_gates(gate: str | None) -> int:
    """Print what the gate judges and why, or a line for each gate."""
    if gate is not None:
        terminal.print_explanation(gate, explain(gate))
        return EXIT_PASS
    width = max(len(name) for name in GATES)
    for name in GATES:
        print(f"{name:<{width}}  {explain(name)['Judges']}")
    return EXIT_PASS


def show_why(name: str, zoo: Path) -> int:
    """Print the layer table of the entry."""
    engine = make_engine(zoo, entries=[name])
    (entry,) = select_entries(engine.zoo, [name])
    layers = engine.observe(entry).inspection.layers
    terminal.print_layers(layers, entry.budget.max_params, entry.budget.max_multiply_adds)
    return EXIT_PASS


def judge_here(options: argparse.Namespace) -> int:
    """Judge what the options name in this process, report it, return the exit code."""
    check_paths(options)
    unchanged = find_unchanged(options, find_results(options))
    engine = make_engine(
        options.zoo,
        results=options.results,
        weights=options.weights,
        data_root=options.data_root,
        base=options.base,
        base_may_lack_zoo=options.base_may_lack_zoo,
        entries=unchanged.list_others(options.entries),
        seconds=options.max_seconds,
        memory=int(options.max_memory * 2**30),
    )
    entries = select_entries(engine.zoo, options.entries)
    gates = engine.select_gates(options.only)
    shard: Shard | None = None
    beside = entries
    if options.shard:
        number, count = options.shard
        shard = describe_shard(number, count, entries, gates, [options.zoo, find_results(options)])
        beside = entries if number == 1 else []
        entries = choose_entries(entries, engine.runs, number, count)
    measured = [entry for entry in entries if entry.name not in unchanged.metrics]
    progress = LiveLine()
    try:
        verdicts = engine.judge_zoo(
            measured, gates, fail_fast=options.fail_fast, progress=progress, beside=beside
        )
    finally:
        progress.close()
    verdicts = [
        *unchanged.verdicts_on(entries, gates, options.zoo, against_base=bool(options.base)),
        *verdicts,
    ]
    judged = {verdict.entry for verdict in verdicts if verdict.status is not Status.NOT_JUDGED}
    entries = [entry for entry in entries if entry.name in judged]
    metrics = [
        unchanged.metrics.get(entry.name) or engine.measure_entry(entry) for entry in entries
    ]
    compared: list[Comparison] = []
    if options.comment or (shard and engine.base):
        compared = engine.compare_entries(entries, unchanged=unchanged.metrics, beside=beside)
    basis: Basis | None = None
    if options.json or options.format == "json":  # the only report that tells it
        prints = [unchanged.fingerprint(entry) or engine.fingerprint(entry) for entry in entries]
        basis = Basis(commit=find_commit(options.zoo), judge=digest_judge(), entries=prints)
    findings = Findings(
        verdicts,
        metrics,
        engine.measure_baseline(),
        engine.allowed,
        shard=shard,
        basis=basis,
        base=engine.base,
        comparisons=compared,
    )
    report(options, findings)
    return exit_code(verdicts)


def report_shards(options: argparse.Namespace) -> int:
    """Put the shards of a check together, report it, return the exit code."""
    check_outputs(list_outputs(options), [options.zoo, *options.reports])
    merged, allowed = merge_shards(options.reports)
    findings = Findings(
        merged.verdicts,
        merged.figures,
        [],
        allowed,
        basis=merged.basis,
        base=merged.base,
        comparisons=merged.comparisons,
    )
    report(options, findings)
    return exit_code(merged.verdicts)


def report(options: argparse.Namespace, findings: Findings) -> None:
    """Print the report and write the files that the options ask for; raises `UsageError`."""
    print_report(options, findings)
    with writing_reports():
        write_reports(options, findings)


@contextmanager
def writing_reports() -> Iterator[None]:
    """Raises `UsageError` where the system does not let a report be written."""
    try:
        yield
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error}") from error


def print_report(options: argparse.Namespace, findings: Findings) -> None:
    """Print the report on stdout in the format that was asked for."""
    verdicts = findings.verdicts
    match options.format:
        case "json":
            print(findings.to_json(), end="")
        case "markdown":
            print(findings.to_markdown())
        case "junit":
            print(to_junit(verdicts), end="")
        case "sarif":
            print(to_sarif(verdicts, list_rules(), options.zoo), end="")
        case "terminal":
            terminal.print_verdicts(verdicts, allowed=findings.allowed)
    if options.github or options.format == "github":
        for line in to_annotations(verdicts, options.zoo):
            print(line)


def list_rules() -> dict[str, str]:
    """What each gate passes."""
    return {gate: explain(gate)["Judges"] for gate in GATES}


def check_paths(options: argparse.Namespace) -> None:
    """Raise `UsageError` for a record that is not there, and for a report in place of an input."""
    if options.results and not options.results.is_file():
        raise UsageError(f"--results {options.results} is not a file")
    folder = follow_links(options.zoo).parent
    inputs = [options.zoo, find_results(options), folder / WAIVERS_FILE, folder / "pyproject.toml"]
    inputs += [options.verdicts] if options.verdicts else []
    folders = [options.weights or folder / "weights"]
    if options.data_root:
        folders.append(options.data_root)
    check_outputs(list_outputs(options), inputs, folders)


def find_results(options: argparse.Namespace) -> Path:
    """The record that is judged: the one named, else that beside the zoo file."""
    return options.results or follow_links(options.zoo).parent / "results.json"


def list_outputs(options: argparse.Namespace) -> dict[str, Path]:
    """The files that the options ask for, by the option that names each."""
    return {
        f"--{name}": Path(getattr(options, name))
        for name in ("json", "summary", "comment", "junit", "sarif", "badge")
        if getattr(options, name, None) and getattr(options, name) != "-"
    }


def make_engine(
    zoo: Path,
    *,
    results: Path | None = None,
    weights: Path | None = None,
    data_root: Path | None = None,
    base: str | None = None,
    base_may_lack_zoo: bool = False,
    entries: Sequence[str] = (),
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> Engine:
    """The engine for a zoo file; its project says how a run is renewed."""
    return Engine(
        zoo,
        results=results,
        weights=weights,
        data_root=data_root,
        base=base,
        base_may_lack_zoo=base_may_lack_zoo,
        train_command=find_train_command(zoo),
        entries=entries,
        seconds=seconds,
        memory=memory,
    )


def write_reports(options: argparse.Namespace, findings: Findings) -> None:
    """Write every file that was asked for; each is replaced whole.

    GitHub's step summary is added to: other steps write it too.
    """
    verdicts = findings.verdicts
    if options.json and options.json != "-":
        write_atomically(Path(options.json), findings.to_json())
    if options.summary:
        write_atomically(options.summary, findings.to_markdown())
    if options.junit:
        write_atomically(options.junit, to_junit(verdicts))
    if getattr(options, "comment", None):
        compared = findings.comparisons or [
            Comparison(now=entry, then=None) for entry in findings.metrics
        ]
        write_atomically(options.comment, to_comment(verdicts, compared, findings.base))
    if options.sarif:
        write_atomically(options.sarif, to_sarif(verdicts, list_rules(), options.zoo))
    if getattr(options, "badge", None):
        write_atomically(options.badge, draw_badge(findings.metrics[0], verdicts))
    step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if options.github and step_summary:
        with open(step_summary, "a", encoding="utf-8") as file:
            file.write(findings.to_markdown())
