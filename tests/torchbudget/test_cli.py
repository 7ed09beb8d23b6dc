"""check.py as a program: what it prints and writes; without a measurement it never exits 0."""

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tampering import edit, judge

from model import Slim
from torchbudget import cli
from torchbudget.confinement import RULES
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import UsageError
from torchbudget.evidence.results import read_results
from torchbudget.gates import GATES, WITHOUT_BASELINE
from torchbudget.network.structure import count_params
from torchbudget.project import find_zoo

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody"], "no entry 'nobody'"),
        (["--only", "beauty"], "no gate 'beauty'"),
        (["--zoo", "nowhere.py"], "is not a file"),
        (["--results", "zoo.py"], "not a results file"),
        (["--nonsense"], "unknown '--nonsense'"),
        (["--explain", "beauty"], "no gate 'beauty'"),
        (["--why", "nobody"], "no entry 'nobody'"),
        (["--base", "nowhere"], "check.py: --base"),
        (["--only", "ratchet"], "give --base REF"),
        (["--github", "--json", "-"], "both write to stdout"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_line(zoo, words, message, monkeypatch, capsys):
    monkeypatch.chdir(zoo)
    try:
        code = cli.check(["--zoo", "zoo.py", *words], prog="check.py")
    except SystemExit as left:
        code = left.code
    (line,) = capsys.readouterr().err.splitlines()
    assert code == 2
    assert line.startswith("check.py") and message in line


@pytest.mark.parametrize("content", ["", "ZOO = ()", "1 / 0", "ZOO = (1,)"])
def test_a_zoo_without_entries_is_never_a_pass(zoo, content):
    (zoo / "zoo.py").write_text(content)
    assert cli.check(["--zoo", str(zoo / "zoo.py")]) == 2


def test_without_data_accuracy_is_not_run(zoo, tmp_path):
    edit(zoo / "zoo.py", "data=data.MNIST_SAMPLE", "data=data.MNIST")
    code, verdicts = judge(zoo, "--data-root", str(tmp_path / "empty"))
    assert (
        code == 3
        and verdicts["params"]["status"] == "pass"
        and verdicts["accuracy"]["status"] == "not_run"
    )


def test_gates_can_be_chosen_and_json_goes_to_stdout(zoo, capsys):
    assert (
        cli.check(["tiny", "--zoo", str(zoo / "zoo.py"), "--only", "params,seeds", "--json", "-"])
        == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 0 and [verdict["gate"] for verdict in document["verdicts"]] == [
        "params",
        "seeds",
    ]


def test_what_the_system_forbade_to_the_zoos_code_is_told(zoo, capsys):
    assert cli.check(["--zoo", str(zoo / "zoo.py"), "--only", "params", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)["confinement"]
    assert sorted(told["forbidden"] + told["allowed"]) == sorted(RULES)
    if sys.platform == "linux":
        assert "new privileges" in told["forbidden"]


def test_a_failure_prints_first_with_its_line_and_what_to_do(zoo, capsys):
    edit(zoo / "zoo.py", "max_misses=900", "max_misses=1")
    line = 1 + next(
        number
        for number, text in enumerate((zoo / "zoo.py").read_text().splitlines())
        if "max_misses" in text
    )
    assert cli.check(["--zoo", str(zoo / "zoo.py")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"FAIL  tiny: accuracy  zoo.py:{line}"
    assert [text.split()[0] for text in lines[1:4]] == [
        "expected",
        "found",
        "difference",
    ] and lines[-1].endswith("exit code 1")


def test_the_summary_has_a_row_for_each_verdict(zoo):
    code = cli.check(["--zoo", str(zoo / "zoo.py"), "--summary", str(zoo / "summary.md")])
    rows = [
        line for line in (zoo / "summary.md").read_text().splitlines() if line.startswith("| tiny")
    ]
    assert code == 0 and len(rows) == len(WITHOUT_BASELINE)


def test_a_report_that_cannot_be_written_is_one_line(zoo, capsys):
    assert (
        cli.check(
            ["--zoo", str(zoo / "zoo.py"), "--only", "params", "--json", "/dev/null/verdicts.json"]
        )
        == 2
    )
    assert capsys.readouterr().err.startswith("torchbudget check: the report cannot be written")


@pytest.mark.parametrize("gate", GATES)
def test_every_gate_is_explained_with_an_example_of_each_outcome(gate, capsys):
    assert cli.check(["--explain", gate]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == gate and [line.split()[0] for line in lines[1:]] == [
        "Judges",
        "Why",
        "Fails",
        "Passes",
    ]
    assert all(len(line.split()) > 3 for line in lines[1:])


def test_why_shows_what_each_operation_costs_and_its_share_of_the_budget(zoo_file, capsys):
    assert cli.check(["--why", "slim", "--zoo", str(zoo_file)]) == 0
    above, heading, *rows = [
        re.split("  +", line.strip()) for line in capsys.readouterr().out.splitlines()
    ]
    assert above == ["of multiply-"]
    assert " ".join(heading).split() == [
        *("operation", "layer", "output", "sees", "parameters", "budget", "adds", "of", "all")
    ]
    shares = [
        float(word.rstrip("%")) for row in rows[:-1] for word in row[4:] if word.endswith("%")
    ]
    limit, params = load_zoo(zoo_file)["slim"].budget.max_params, count_params(Slim())
    total = " ".join(rows[-1]).split()
    assert total[:3] == ["total", f"{params:,}", f"{params / limit:.1%}"] and len(shares) > 5


def test_what_cannot_be_tabled_was_not_measured(zoo, capsys):
    edit(zoo / "zoo.py", "network=Tiny", "network=lambda: 1")
    assert (
        cli.check(["--why", "tiny", "--zoo", str(zoo / "zoo.py")]) == 3
        and capsys.readouterr().err.count("\n") == 1
    )


def test_a_network_that_exits_is_no_pass(zoo):
    edit(
        zoo / "zoo.py",
        "    def forward(self, x):",
        "    def forward(self, x):\n        raise SystemExit(0)",
    )
    code, verdicts = judge(zoo)
    assert code in (1, 3) and verdicts["params"]["status"] != "pass"


def test_a_report_of_every_kind_is_written(zoo, monkeypatch, capsys):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(zoo / "step.md"))
    (zoo / "step.md").write_text("earlier\n")
    words = [
        word
        for kind in ("json", "junit", "sarif", "summary")
        for word in (f"--{kind}", str(zoo / kind))
    ]
    assert (
        cli.check(["--zoo", str(zoo / "zoo.py"), "--only", "params,chain", "--github", *words]) == 0
    )
    assert (
        json.loads((zoo / "json").read_text())["figures"][0]["entry"] == "tiny"
        and "<testsuites" in (zoo / "junit").read_text()
    )
    assert (
        json.loads((zoo / "sarif").read_text())["runs"][0]["results"] == []
        and "::" not in capsys.readouterr().out
    )
    assert (zoo / "step.md").read_text() == "earlier\n" + (zoo / "summary").read_text()


def test_a_waiver_is_shown_and_holds_only_while_it_is_needed(zoo, capsys):
    edit(zoo / "zoo.py", "max_misses=900", "max_misses=1")
    worst = max(run.test.misses for run in read_results(zoo / "results.json"))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    waiver = (
        f'[[waiver]]\nentry = "tiny"\ngate = "accuracy"\naccepted = {worst}\n'
        f'reason = "a test"\nowner = "Ada"\nexpires = {tomorrow}\n'
    )
    (zoo / "waivers.toml").write_text(waiver)
    assert cli.check(["--zoo", str(zoo / "zoo.py")]) == 0 and capsys.readouterr().out.startswith(
        "WAIVED  tiny: accuracy  zoo.py:"
    )
    edit(zoo / "zoo.py", "max_misses=1,", "max_misses=900,")
    assert (
        cli.check(["--zoo", str(zoo / "zoo.py")]) == 1
        and "FAIL  tiny: waivers  waivers.toml" in capsys.readouterr().out
    )
    (zoo / "waivers.toml").write_text("nonsense")
    assert cli.check(["--zoo", str(zoo / "zoo.py")]) == 2


def test_with_a_base_the_ratchet_runs_and_a_looser_budget_fails(zoo, capsys):
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=zoo"],
    ):
        subprocess.run(["git", *words], cwd=zoo, check=True)
    assert (
        cli.check(
            [
                "--zoo",
                str(zoo / "zoo.py"),
                "--only",
                "ratchet",
                "--base",
                "HEAD",
                "--summary",
                str(zoo / "summary.md"),
            ]
        )
        == 0
    )
    assert (
        "| tiny | ratchet | pass |" in (zoo / "summary.md").read_text()
        and "(+0)" in (zoo / "summary.md").read_text()
    )
    edit(zoo / "zoo.py", "max_misses=900", "max_misses=901")
    assert cli.check(["--zoo", str(zoo / "zoo.py"), "--only", "ratchet", "--base", "HEAD"]) == 1
    assert "budget weakened: max_misses 900 -> 901" in capsys.readouterr().out


# --- the command torchbudget ----------------------------------------------------------------------


def run_command(folder: Path, *words: str) -> subprocess.CompletedProcess:
    """`torchbudget` in `folder`, as its entry point runs it."""
    program = f"import sys; sys.path[:0] = [{str(ROOT)!r}]; from torchbudget.cli import main; "
    program += "code = main(); print(sorted({'torch', 'numpy'} & set(sys.modules))); sys.exit(code)"
    command = [sys.executable, "-P", "-c", program, *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "required: COMMAND"),
        (["judge"], "no 'judge'"),
        (["record", "tiny", "--weights", "best.pth"], "required: --seed"),
        (
            ["record", "tiny", "--weights", "best.pth", "--seed", "one"],
            "invalid whole_number value",
        ),
        (["check"], "has no zoo.py, and no pyproject.toml there or above names one"),
        (["check", "--unt"], "unknown '--unt'"),
    ],
)
def test_wrong_words_are_one_line_and_torch_is_not_imported(tmp_path, words, message):
    done = run_command(tmp_path, *words)
    assert done.returncode == 2
    assert done.stdout == "[]\n"
    assert done.stderr.startswith("torchbudget") and done.stderr.count("\n") == 1
    assert message in done.stderr


CHECK_AND_TELL = """
import os, sys
from torchbudget import cli
before = "torch" not in sys.modules
code = cli.check(sys.argv[1:], prog="check.py")
print("before torch" if before else "after torch", os.environ["OMP_WAIT_POLICY"], sep="\\n")
sys.exit(code)
"""


@pytest.mark.parametrize(
    ("asked", "found"), [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")]
)
def test_torchs_threads_sleep_while_they_wait_unless_told_otherwise(zoo, asked, found):
    variables = {key: os.environ[key] for key in os.environ if key != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", CHECK_AND_TELL, "--zoo", zoo / "zoo.py", "--only", "params"],
        cwd=ROOT,
        env=variables | asked | {"OMP_DISPLAY_ENV": "TRUE"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-2:] == ["before torch", found]
    if sys.platform == "linux":  # where torch's OpenMP tells what it took
        assert f"OMP_WAIT_POLICY = '{found}'" in done.stderr


def test_the_zoo_is_the_one_that_the_nearest_pyproject_names(tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.torchbudget]\nzoo = "nets/zoo.py"\n')
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / "pyproject.toml").write_text("[tool.other]\n")
    (below / "zoo.py").write_text("")
    with pytest.raises(UsageError, match="names no file"):
        find_zoo(below)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets" / "zoo.py").write_text("")
    assert find_zoo(below) == tmp_path / "nets" / "zoo.py"
    (tmp_path / "pyproject.toml").unlink()
    assert find_zoo(below) == below / "zoo.py"


@pytest.mark.parametrize("text", ["[tool", "[tool]\ntorchbudget = 1", "[tool.torchbudget]\nzoo=1"])
def test_a_pyproject_that_names_no_zoo_is_refused(tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(UsageError, match=r"pyproject\.toml"):
        find_zoo(tmp_path)


def test_every_command_judges_what_check_judges(zoo, monkeypatch, capsys):
    monkeypatch.chdir(zoo)
    assert cli.main(["check", "--only", "params"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "1 pass; exit code 0"
    assert cli.main(["why", "tiny"]) == 0
    why = capsys.readouterr().out
    assert cli.check(["--why", "tiny"]) == 0
    assert capsys.readouterr().out == why
    assert cli.main(["explain"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(GATES)
