"""Every table fits a terminal of 80 columns, and cuts no name so that two look the same."""

import io
import re
import subprocess

import pytest
from rich.console import Console

import bench.__main__
import predict
import search
import train
from torchbudget import cli
from torchbudget.checking import make_engine
from torchbudget.declare.zoofile import load_zoo
from torchbudget.engine import explain
from torchbudget.gates import GATES
from torchbudget.report.terminal import print_explanation, print_layers
from utils import export
from utils.summary import describe_network, print_summary
from utils.table import format_row, list_headings, make_rows, print_zoo


@pytest.fixture
def console() -> Console:
    """A terminal of 80 columns."""
    return Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)


def lines_on(console: Console) -> list[str]:
    lines = [line.rstrip() for line in console.file.getvalue().splitlines()]
    assert lines
    return lines


def assert_whole(lines: list[str]) -> None:
    assert [line for line in lines if len(line) > 80 or "…" in line] == []


def test_the_table_of_the_zoo_has_a_line_an_entry_and_every_name_whole(zoo_file, console):
    rows = make_rows(zoo_file, zoo_file.with_name("results.json"))
    print_zoo(rows, console)
    lines = lines_on(console)
    assert_whole(lines)
    assert [line.split()[0] for line in lines[1 : 1 + len(rows)]] == [row.entry for row in rows]
    assert "--wide" in lines[-1]


def test_the_wide_table_cuts_nothing_and_has_a_line_an_entry(zoo_file, console):
    rows = make_rows(zoo_file, zoo_file.with_name("results.json"))
    print_zoo(rows, console, wide=True)
    lines = lines_on(console)
    assert [re.split("  +", line) for line in lines[1 : 1 + len(rows)]] == [
        format_row(row, list_headings(rows)) for row in rows
    ]


@pytest.mark.parametrize("name", ["slim", "wide_resnet"])
def test_layers_fit_with_their_names_and_numbers_whole(name, zoo_file, console):
    engine = make_engine(zoo_file, entries=[name])
    entry = engine.zoo[name]
    layers = engine.observe(entry).inspection.layers
    print_layers(layers, entry.budget.max_params, None, console)
    lines = lines_on(console)
    assert_whole(lines)
    for layer in layers:
        assert any("x".join(map(str, layer.shape)) in line for line in lines)
    total = sum(layer.multiply_adds for layer in layers)
    assert f"{total:,}" in lines[-1]


def test_a_summary_fits_and_its_total_is_the_entrys(zoo_file, console):
    summary = describe_network(load_zoo(zoo_file)["wide_resnet"])
    print_summary(summary, console)
    lines = lines_on(console)
    assert_whole(lines)
    assert lines[-1].split()[:2] == ["total", "659,434"]
    assert len(lines) == 2 + len(summary.summary_list)


def test_a_summary_counts_shared_filters_once_and_says_where_they_are(zoo_file, console):
    print_summary(describe_network(load_zoo(zoo_file)["under_500"]), console)
    lines = lines_on(console)
    assert lines[-1].split()[:2] == ["total", "485"]
    assert [line.count("90 shared") + line.count("100 shared") for line in lines].count(1) == 4


@pytest.mark.parametrize("gate", GATES)
def test_explanations_are_wrapped_between_words(gate, console):
    parts = explain(gate)
    print_explanation(gate, parts, console)
    lines = lines_on(console)
    assert_whole(lines)
    words = " ".join(parts.values()).split()
    assert [word for line in lines[1:] for word in line.split() if word not in parts] == [
        word for word in words if word not in parts
    ]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        *([name, "--help"] for name in ("check", "record", "reproduce", "merge-verdicts")),
    ],
    ids=" ".join,
)
def test_the_help_of_the_judge_fits(words, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        cli.main(words)
    assert_whole(capsys.readouterr().out.splitlines())


@pytest.mark.parametrize("program", [bench.__main__, export, predict, search, train])
def test_the_help_of_a_program_fits(program, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        program.main(["--help"])
    printed = capsys.readouterr().out
    assert_whole(printed.splitlines())
    assert "<function" not in printed


def test_the_help_of_make_fits(zoo_file):
    printed = subprocess.run(["make", "help"], cwd=zoo_file.parent, capture_output=True, text=True)
    assert_whole(printed.stdout.splitlines())
    assert printed.stdout.count("\n  ") > 30
