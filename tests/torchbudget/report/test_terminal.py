"""What people read: failures first, count and exit code last, the same numbers everywhere."""

import io
import json
import re
from dataclasses import asdict, replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.console import Console
from untrained import observe_runs

from torchbudget.declare.budget import Budget, Dropout
from torchbudget.errors import DataError
from torchbudget.evidence import machine
from torchbudget.evidence.together import append_run
from torchbudget.evidence.weights import save_weights
from torchbudget.gates import GATES, WITHOUT_BASELINE, judge
from torchbudget.report.markdown import to_markdown
from torchbudget.report.terminal import print_verdicts, summarise
from torchbudget.report.verdict import HARMLESS, Origin, Status, Verdict, exit_code
from utils.table import (
    BEGIN,
    END,
    format_row,
    list_headings,
    main,
    make_row,
    print_zoo,
    readme_table,
    write_readme,
)

TEXT = st.text("ab|[/] :_", min_size=1, max_size=8).map(lambda text: f"x{text}x")
VERDICTS = st.lists(
    st.builds(
        Verdict,
        gate=st.sampled_from(list(GATES)),
        status=st.sampled_from(Status),
        observed=TEXT,
        expected=TEXT,
        entry=st.just("net"),
        remedy=TEXT,
        origin=st.none() | st.sampled_from(Origin),
    )
)


def printed(show, *values) -> str:
    """What `show` prints to a wide console without colours."""
    console = Console(file=io.StringIO(), width=300, color_system=None)
    show(*values, console)
    return console.file.getvalue()


# --- verdicts -------------------------------------------------------------------------------------


@given(VERDICTS)
def test_failures_come_first_and_the_count_and_exit_code_last(verdicts):
    lines = printed(print_verdicts, verdicts).splitlines()
    shown = [line.split("  ")[0] for line in lines if re.match(r"[A-Z ]+  net: ", line)]
    unhappy = [
        verdict.status.replace("_", " ").upper()
        for verdict in verdicts
        if verdict.status not in HARMLESS
    ]
    assert sorted(shown) == sorted(unhappy) and "FAIL" not in shown[unhappy.count("FAIL") :]
    assert lines[-1] == summarise(verdicts) and lines[-1].endswith(
        f"; exit code {exit_code(verdicts)}"
    )
    assert sum(
        map(
            int,
            re.findall(
                r"(\d+) (?:pass|fail|waived|not run|not applicable|not judged|error)", lines[-1]
            ),
        )
    ) == len(verdicts)


@example(
    [
        Verdict(
            gate="chain",
            status=status,
            entry="net",
            observed="[bold]x[/bold] :smile:",
            expected="[/x]",
            remedy="[red]",
        )
        for status in Status
    ]
)
@given(VERDICTS)
def test_every_word_of_a_verdict_is_printed_as_it_is(verdicts):
    text = printed(print_verdicts, verdicts)
    assert all(verdict.observed in text and verdict.expected in text for verdict in verdicts)
    assert all(verdict.remedy in text for verdict in verdicts if verdict.status not in HARMLESS)


def test_a_failure_says_where_what_was_expected_and_found_how_far_off_and_what_to_do():
    verdict = Verdict(
        gate="params",
        status=Status.FAIL,
        entry="net",
        observed="20,001",
        expected="fewer than 20,000",
        difference="+2",
        where="zoo.py:31",
        remedy="narrow it",
    )
    assert [line.split(maxsplit=1) for line in printed(print_verdicts, [verdict]).splitlines()] == [
        ["FAIL", "net: params  zoo.py:31"],
        ["expected", "fewer than 20,000"],
        ["found", "20,001"],
        ["difference", "+2"],
        ["to", "do      narrow it"],
        ["1", "fail; exit code 1"],
    ]


def test_inherited_failures_come_after_those_caused_here_and_are_counted_apart():
    verdicts = [
        Verdict(
            gate="params",
            status=Status.FAIL,
            entry=f"net{number}",
            observed="2",
            expected="1",
            origin=origin,
        )
        for number, origin in enumerate(
            (Origin.INHERITED, Origin.CAUSED_HERE, Origin.UNKNOWN, Origin.INHERITED)
        )
    ]
    lines = printed(print_verdicts, verdicts).splitlines()
    titles = [line for line in lines if line.startswith("FAIL")]
    assert [title.split()[1] for title in titles] == ["net1:", "net2:", "net0:", "net3:"]
    assert [line.split(":")[0].strip() for line in lines if "at base" in line] == [
        "at base    it did not fail there",
        "at base    unknown whether it failed there",
        "at base    it failed there too",
        "at base    it failed there too",
    ]
    assert lines[-1] == ("4 fail (1 caused here, 2 inherited, 1 of unknown origin); exit code 1")


def test_what_could_not_be_forbidden_is_one_line_before_the_count():
    console = Console(file=io.StringIO(), width=300)
    print_verdicts([], console, allowed=("network", "writes elsewhere"))
    line, _ = console.file.getvalue().splitlines()
    assert line.rstrip() == (
        "not forbidden to the zoo's code on this system: network, writes elsewhere"
    )
    assert "not forbidden" not in printed(print_verdicts, [])


def test_nothing_judged_is_no_pass():
    assert summarise([]) == "nothing was judged; exit code 3" == printed(print_verdicts, []).strip()


@given(VERDICTS)
def test_the_markdown_table_has_a_row_of_five_cells_for_each_verdict_failures_first(verdicts):
    lines = to_markdown(
        [replace(verdict, observed=f"{verdict.observed}\n.") for verdict in verdicts]
    ).splitlines()
    rows = [re.split(r" (?<!\\)\| ", f" {line[1:-1]} ") for line in lines[2 : 2 + len(verdicts)]]
    assert [len(row) for row in rows] == [5] * len(verdicts)
    statuses = [row[2].partition("(")[0].strip() for row in rows]
    assert sorted(statuses) == sorted(verdict.status.replace("_", " ") for verdict in verdicts)
    assert "fail" not in statuses[statuses.count("fail") :]
    assert lines[2 + len(verdicts) :] == ["", summarise(verdicts)]


@pytest.fixture
def judged(make_run, small_entry, sample):
    """Every gate on an entry that fails them all, and on one of which nothing can be measured."""

    def unreachable(name):
        raise DataError("no data")

    runs = [make_run(small_entry, seed, steps=1) for seed in range(3)]
    save_weights(
        make_run.weights / "small-seed0-mnist_sample.safetensors", make_run.network(small_entry, 1)
    )
    strict = replace(
        small_entry,
        budget=Budget(
            max_params=10,
            max_epochs=1,
            max_misses=0,
            max_multiply_adds=1,
            seeds=2,
            requires=(Dropout(least=5),),
        ),
    )
    platform = machine.platform_id()
    failing = observe_runs(
        strict, runs, weights=make_run.weights, dataset=sample, platform=platform
    )
    unmeasured = observe_runs(replace(strict, network=lambda: None), platform=platform)
    return [
        judge(gate, seen.entry, seen) for seen in (failing, unmeasured) for gate in WITHOUT_BASELINE
    ]


def test_no_remedy_is_to_raise_the_limit(judged):
    honest_data = [Status.PASS if gate == "leak" else Status.FAIL for gate in WITHOUT_BASELINE]
    assert [verdict.status for verdict in judged] == honest_data + [Status.NOT_RUN] * len(
        WITHOUT_BASELINE
    )
    assert [
        verdict.gate
        for verdict in judged
        if not verdict.remedy
        or re.search(r"(?i)rais|loosen|increase|limit|\bbudget", verdict.remedy)
    ] == []


# --- the zoo --------------------------------------------------------------------------------------


@pytest.fixture
def runs(make_run, small_entry):
    return [make_run(small_entry, seed, train_seconds=10.0 + seed) for seed in range(3)] + [
        make_run(small_entry, 3, overrides=["epochs=1"])
    ]


def print_wide(rows, console):
    print_zoo(rows, console, wide=True)


def test_a_row_holds_what_the_evidence_says(runs, small_entry):
    row, misses = make_row(small_entry, runs), [run.test.misses for run in runs[:3]]
    assert len(set(misses)) > 1 and row.misses == misses
    assert (row.worst, row.mean, row.total, row.headroom) == (
        max(misses),
        sum(misses) / 3,
        1_000,
        1_000 - max(misses),
    )
    assert (row.params, row.max_params, row.epochs, row.train_seconds, row.device) == (
        runs[0].params,
        20_000,
        2.0,
        11.0,
        runs[0].hardware.device,
    )


def test_the_zoo_is_printed_with_and_without_evidence(runs, small_entry):
    rows = [make_row(small_entry, runs), make_row(replace(small_entry, name="untrained"), runs)]
    heading, trained, untrained, _, note = printed(print_wide, rows).splitlines()
    assert all(name in heading for name in list_headings(rows))
    assert (
        re.split(r"  +", trained.strip()) == format_row(rows[0])
        and f"{runs[0].params:,}" in trained
        and f"{rows[0].worst} of 1,000" in trained
    )
    assert (
        untrained.split()[0] == "untrained"
        and "%" not in untrained
        and note.endswith(runs[0].hardware.device)
    )
    assert printed(print_wide, rows[1:]).rstrip().endswith("no hardware yet")


@given(st.text("ab\n|<!->", max_size=20), st.text("ab\n|<!->", max_size=20))
def test_the_readmes_table_is_written_between_its_markers_and_only_there(
    small_entry, tmp_path_factory, head, tail
):
    path, rows = tmp_path_factory.mktemp("readme") / "README.md", [make_row(small_entry, [])]
    path.write_text(f"{head}{BEGIN}\nold\n{END}{tail}")
    for _ in range(2):
        write_readme(path, rows)
        assert path.read_text() == head + readme_table(rows) + tail
    assert (
        readme_table(rows).splitlines()[3]
        == "| " + " | ".join(["`small`", *format_row(rows[0])[1:]]) + " |"
    )


# --- the command ----------------------------------------------------------------------------------

ZOO = """
from model import Slim
from utils.entry import SGD, Budget, Constant, Entry, Recipe
schedule = Constant(lr=0.05)
recipe = Recipe(
    epochs=2, batch_size=100, optimizer=SGD(), schedule=schedule, amp="off", val_images=500
)
budget = Budget(max_params=20_000, max_epochs=3, max_misses=1_000)
ZOO = (Entry(name="small", network=Slim, dataset="mnist_sample", recipe=recipe, budget=budget),)
"""


@pytest.fixture
def arguments(tmp_path, runs) -> list[str]:
    """The options that name a zoo and its evidence."""
    (tmp_path / "small_zoo.py").write_text(ZOO)
    for run in runs:
        append_run(tmp_path / "evidence.json", run)
    return ["--zoo", str(tmp_path / "small_zoo.py"), "--results", str(tmp_path / "evidence.json")]


def test_every_form_gives_the_same_numbers(arguments, runs, small_entry, tmp_path, capsys):
    row = make_row(small_entry, runs)
    assert main(["--json", *arguments]) == 0 and json.loads(capsys.readouterr().out) == [
        asdict(row)
    ]
    assert main(["--wide", *arguments]) == 0 and re.split(
        r"  +", capsys.readouterr().out.splitlines()[1].strip()
    ) == format_row(row)
    (tmp_path / "README.md").write_text(f"# Zoo\n{BEGIN}\n{END}\n")
    assert main(["--readme", str(tmp_path / "README.md"), *arguments]) == 0
    assert (tmp_path / "README.md").read_text() == f"# Zoo\n{readme_table([row])}\n"


@pytest.mark.parametrize(
    "text",
    ["# Zoo", f"# {BEGIN}", f"{END}{BEGIN}", None],
    ids=["no markers", "no end", "wrong way round", "no file"],
)
def test_a_readme_without_its_markers_is_refused_and_left_alone(text, arguments, tmp_path, capsys):
    path = tmp_path / "README.md"
    if text is not None:
        path.write_text(text)
    assert main(["--readme", str(path), *arguments]) == 2 and str(path) in capsys.readouterr().err
    assert not path.exists() if text is None else path.read_text() == text


@pytest.mark.parametrize(("name", "content"), [("small_zoo.py", "ZOO ="), ("evidence.json", "{}")])
def test_a_zoo_or_evidence_that_cannot_be_read_is_one_line_and_wrong_usage(
    name, content, arguments, tmp_path, capsys
):
    (tmp_path / name).write_text(content)
    assert main(arguments) == 2
    assert name in (error := capsys.readouterr().err) and error.count("\n") == 1
