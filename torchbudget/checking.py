"""What `check`, `why` and `explain` do: judge, report, return the exit code."""

import argparse
import os
from pathlib import Path

from torchbudget.declare.zoofile import select_entries
from torchbudget.engine import Engine, explain
from torchbudget.errors import EXIT_PASS, UsageError
from torchbudget.evidence.files import write_atomically
from torchbudget.gates import GATES
from torchbudget.network.layers import layer_table, probe_images
from torchbudget.network.trace import build, trace_on
from torchbudget.project import find_train_command
from torchbudget.report import terminal
from torchbudget.report.badge import draw_badge
from torchbudget.report.formats import to_annotations, to_json, to_junit, to_sarif
from torchbudget.report.markdown import to_markdown
from torchbudget.report.metrics import Metrics
from torchbudget.report.verdict import Verdict, exit_code


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
    engine = make_engine(zoo)
    (entry,) = select_entries(engine.zoo, [name])
    image = engine.observe(entry).image
    traced = trace_on(build(entry.network), probe_images(image), training=False)
    layers = layer_table(traced, image)
    terminal.print_layers(layers, entry.budget.max_params, entry.budget.max_multiply_adds)
    return EXIT_PASS


def judge_here(options: argparse.Namespace) -> int:
    """Judge what the options name in this process, report it, return the exit code."""
    engine = make_engine(
        options.zoo,
        results=options.results,
        weights=options.weights,
        data_root=options.data_root,
        base=options.base,
    )
    entries = select_entries(engine.zoo, options.entries)
    gates = engine.select_gates(options.only)
    verdicts = engine.judge_zoo(entries, gates)
    metrics = [engine.measure_entry(entry) for entry in entries]
    try:
        write_reports(options, verdicts, metrics, engine.measure_baseline())
    except OSError as error:
        raise UsageError(f"the report cannot be written: {error}") from error
    if options.json == "-":
        print(to_json(verdicts, metrics), end="")
    else:
        terminal.print_verdicts(verdicts)
    if options.github:
        for line in to_annotations(verdicts, options.zoo):
            print(line)
    return exit_code(verdicts)


def make_engine(
    zoo: Path,
    *,
    results: Path | None = None,
    weights: Path | None = None,
    data_root: Path | None = None,
    base: str | None = None,
) -> Engine:
    """The engine for a zoo file; its project says how a run is renewed."""
    return Engine(
        zoo,
        results=results,
        weights=weights,
        data_root=data_root,
        base=base,
        train_command=find_train_command(zoo),
    )


def write_reports(
    options: argparse.Namespace,
    verdicts: list[Verdict],
    metrics: list[Metrics],
    base: list[Metrics],
) -> None:
    """Write every file that was asked for; each is replaced whole.

    GitHub's step summary is added to: other steps write it too.
    """
    if options.json and options.json != "-":
        write_atomically(Path(options.json), to_json(verdicts, metrics))
    if options.summary:
        write_atomically(options.summary, to_markdown(verdicts, metrics, base))
    if options.junit:
        write_atomically(options.junit, to_junit(verdicts))
    if options.sarif:
        rules = {gate: explain(gate)["Judges"] for gate in GATES}
        write_atomically(options.sarif, to_sarif(verdicts, rules, options.zoo))
    if options.badge:
        write_atomically(options.badge, draw_badge(metrics[0], verdicts))
    step_summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if options.github and step_summary:
        with open(step_summary, "a", encoding="utf-8") as file:
            file.write(to_markdown(verdicts, metrics, base))
