"""check.py as a program: what it prints and writes, and that no state of the world without a measurement exits 0."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tampering import edit, judge

import check
from gates import GATES

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nobody"], "no entry 'nobody'"),
        (["--only", "beauty"], "no gate 'beauty'"),
        (["--zoo", "nowhere.py"], "is not a file"),
        (["--results", "zoo.py"], "not a results file"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_one_line(zoo, words, message):
    result = subprocess.run([sys.executable, str(ROOT / "check.py"), "--zoo", "zoo.py", *words], cwd=zoo, capture_output=True, text=True)
    assert result.returncode == 2 and message in result.stderr and "Traceback" not in result.stderr


@pytest.mark.parametrize("content", ["", "ZOO = ()", "1 / 0", "ZOO = (1,)"])
def test_a_zoo_without_entries_is_never_a_pass(zoo, content):
    (zoo / "zoo.py").write_text(content)
    assert check.main(["--zoo", str(zoo / "zoo.py")]) == 2


def test_without_data_accuracy_is_not_run(zoo, tmp_path):
    edit(zoo / "zoo.py", 'dataset="mnist_sample"', 'dataset="mnist"')
    code, verdicts = judge(zoo, "--data-root", str(tmp_path / "empty"))
    assert code == 3 and verdicts["params"]["status"] == "pass" and verdicts["accuracy"]["status"] == "not_run"


def test_gates_can_be_chosen_and_json_goes_to_stdout(zoo, capsys):
    assert check.main(["tiny", "--zoo", str(zoo / "zoo.py"), "--only", "params,seeds", "--json", "-"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["exit_code"] == 0 and [verdict["gate"] for verdict in document["verdicts"]] == ["params", "seeds"]


def test_a_failure_prints_first_with_its_line_and_what_to_do(zoo, capsys):
    edit(zoo / "zoo.py", "max_misses=900", "max_misses=1")
    line = 1 + next(number for number, text in enumerate((zoo / "zoo.py").read_text().splitlines()) if "max_misses" in text)
    assert check.main(["--zoo", str(zoo / "zoo.py")]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"FAIL  tiny: accuracy  zoo.py:{line}"
    assert [text.split()[0] for text in lines[1:4]] == ["expected", "found", "difference"] and lines[-1].endswith("exit code 1")


def test_the_summary_has_a_row_for_each_verdict(zoo):
    code = check.main(["--zoo", str(zoo / "zoo.py"), "--summary", str(zoo / "summary.md")])
    rows = [line for line in (zoo / "summary.md").read_text().splitlines() if line.startswith("| tiny")]
    assert code == 0 and len(rows) == len(GATES)


def test_a_report_that_cannot_be_written_is_one_line(zoo, capsys):
    assert check.main(["--zoo", str(zoo / "zoo.py"), "--only", "params", "--json", "/dev/null/verdicts.json"]) == 2
    assert capsys.readouterr().err.startswith("check.py: the report cannot be written")
