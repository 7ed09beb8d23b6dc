"""What `check`, `why` and `explain` do: judge, report, return the exit code."""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

from torchbudget.building.client import MEMORY, SECONDS
from torchbudget.confinement import RULES
from torchbudget.declare.zoofile import select_entries
from torchbudget.engine import Engine, explain
from torchbudget.errors import EXIT_PASS, UsageError
from torchbudget.evidence.files import check_outputs, write_atomically
from torchbudget.gates import GATES
from torchbudget.gates.waivers import WAIVERS_FILE
from torchbudget.project import find_train_command
from torchbudget.reading import follow_links
from torchbudget.report import terminal
from torchbudget.report.badge import draw_badge
from torchbudget.report.formats import to_annotations, to_json, to_junit, to_sarif
from torchbudget.report.markdown import to_markdown
from torchbudget.report.metrics import Metrics
from torchbudget.report.progress import LiveLine
from torchbudget.report.verdict import Status, Verdict, exit_code


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
    engine = make_engine(
        options.zoo,
        results=options.results,
        weights=options.weights,
        data_root=options.data_root,
        base=options.base,
        entries=options.entries,
        seconds=options.max_seconds,
        memory=int(options.max_memory * 2**30),
    )
    entries = select_entries(engine.zoo, options.entries)
    gates = engine.select_gates(options.only)
    progress = LiveLine()
    try:
        verdicts = engine.judge_zoo(entries, gates, fail_fast=options.fail_fast, progress=progress)
    finally:
        progress.close()
    judged = {verdict.entry for verdict in verdicts if verdict.status is not Status.NOT_JUDGED}
    metrics = [engine.measure_entry(entry) for entry in entries if entry.name in judged]
    baseline = engine.measure_baseline()
    print_report(options, verdicts, metrics, baseline, engine.allowed)
    try:
        write_reports(options, verdicts, metrics, baseline, engine.allowed)
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error}") from error
    return exit_code(verdicts)


def print_report(
    options: argparse.Namespace,
    verdicts: list[Verdict],
    metrics: list[Metrics],
    baseline: list[Metrics],
    allowed: Sequence[str],
) -> None:
    """Print the report on stdout in the format that was asked for."""
    match options.format:
        case "json":
            print(to_json(verdicts, metrics, part_rules(allowed)), end="")
        case "markdown":
            print(to_markdown(verdicts, metrics, baseline))
        case "junit":
            print(to_junit(verdicts), end="")
        case "sarif":
            print(to_sarif(verdicts, list_rules(), options.zoo), end="")
        case "terminal":
            terminal.print_verdicts(verdicts, allowed=allowed)
    if options.github or options.format == "github":
        for line in to_annotations(verdicts, options.zoo):
            print(line)


def part_rules(allowed: Sequence[str]) -> dict[str, Sequence[str]]:
    """The rules of the confinement that the system enforced, and those that it did not."""
    return {"forbidden": [rule for rule in RULES if rule not in allowed], "allowed": allowed}


def list_rules() -> dict[str, str]:
    """What each gate passes."""
    return {gate: explain(gate)["Judges"] for gate in GATES}


def check_paths(options: argparse.Namespace) -> None:
    """Raise `UsageError` for a record that is not there, and for a report in place of an input."""
    if options.results and not options.results.is_file():
        raise UsageError(f"--results {options.results} is not a file")
    folder = follow_links(options.zoo).parent
    outputs = {
        f"--{name}": Path(getattr(options, name))
        for name in ("json", "summary", "junit", "sarif", "badge")
        if getattr(options, name) and getattr(options, name) != "-"
    }
    results = options.results or folder / "results.json"
    inputs = [options.zoo, results, folder / WAIVERS_FILE, folder / "pyproject.toml"]
    folders = [options.weights or folder / "weights"]
    if options.data_root:
        folders.append(options.data_root)
    check_outputs(outputs, inputs, folders)


def make_engine(
    zoo: Path,
    *,
    results: Path | None = None,
    weights: Path | None = None,
    data_root: Path | None = None,
    base: str | None = None,
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
        train_command=find_train_command(zoo),
        entries=entries,
        seconds=seconds,
        memory=memory,
    )


def write_reports(
    options: argparse.Namespace,
    verdicts: list[Verdict],
    metrics: list[Metrics],
    base: list[Metrics],
    allowed: Sequence[str],
) -> None:
    """Write every file that was asked for; each is replaced whole.

    GitHub's step summary is added to: other steps write it too.
    """
    if options.json and options.json != "-":
        write_atomically(Path(options.json), to_json(verdicts, metrics, part_rules(allowed)))
    if options.summary:
        write_atomically(options.summary, to_markdown(verdicts, metrics, base))
    if options.junit:
        write_atomically(options.junit, to_junit(verdicts))
    if options.sarif:
        write_atomically(options.sarif, to_sarif(verdicts, list_rules(), options.zoo))
    if options.badge:
        write_atomically(options.badge, draw_badge(metrics[0], verdicts))
    step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if options.github and step_summary:
        with open(step_summary, "a", encoding="utf-8") as file:
            file.write(to_markdown(verdicts, metrics, base))
