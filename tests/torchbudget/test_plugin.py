"""The pytest plugin in another suite: a test for each entry and gate, no pass unmeasured."""

import os
import re
import subprocess
import sys
from pathlib import Path

from tampering import edit

from torchbudget import cli
from torchbudget.gates import WITHOUT_BASELINE

ROOT = Path(__file__).resolve().parents[2]


def run_pytest(folder: Path, *words: str) -> tuple[int, dict[str, str], str]:
    """Exit code, outcome by test, and all that is printed."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "pytest_zoo",
        "-p",
        "no:cacheprovider",
        "-rA",
        *words,
    ]
    done = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return (
        done.returncode,
        {
            name: outcome
            for outcome, name in re.findall(r"^([A-Z]+) (\S+::\S+)", done.stdout, re.MULTILINE)
        },
        done.stdout + done.stderr,
    )


def test_each_gate_of_each_entry_is_a_test_and_a_failure_reads_as_on_the_terminal(zoo, capsys):
    edit(zoo / "zoo.py", "max_misses=900", "max_misses=1")
    code, outcomes, printed = run_pytest(zoo, "--zoo", "zoo.py")
    assert code == 1 and outcomes == {
        f"zoo.py::tiny::{gate}": "FAILED" if gate == "accuracy" else "PASSED"
        for gate in WITHOUT_BASELINE
    }
    assert cli.check(["--zoo", str(zoo / "zoo.py")]) == 1
    block = capsys.readouterr().out.split("\nentry ")[0]
    assert block.startswith("FAIL  tiny: accuracy  zoo.py:") and block in printed


def test_what_could_not_be_measured_fails_beside_the_suites_own_tests(zoo):
    (zoo / "results.json").unlink()
    (zoo / "pytest.ini").write_text("[pytest]\nzoo = zoo.py\ntestpaths = tests\n")
    (zoo / "tests").mkdir()
    (zoo / "tests" / "test_own.py").write_text("def test_own(): pass")
    code, outcomes, _ = run_pytest(zoo)
    measured = {"tests/test_own.py::test_own", "zoo.py::tiny::params", "zoo.py::tiny::structure"}
    assert code == 1 and set(outcomes) == {
        "tests/test_own.py::test_own",
        *(f"zoo.py::tiny::{gate}" for gate in WITHOUT_BASELINE),
    }
    assert measured <= {name for name, outcome in outcomes.items() if outcome == "PASSED"}
    assert {
        outcomes[f"zoo.py::tiny::{gate}"]
        for gate in ("seeds", "epochs", "chain", "claim", "accuracy")
    } == {"FAILED"}
    assert run_pytest(zoo, "zoo.py::tiny::params")[:2] == (0, {"zoo.py::tiny::params": "PASSED"})
    assert run_pytest(zoo, "tests")[:2] == (0, {"tests/test_own.py::test_own": "PASSED"})


def test_a_zoo_that_cannot_be_loaded_is_an_error(zoo):
    assert run_pytest(zoo, "--zoo", "nowhere.py")[0] == 4
    (zoo / "zoo.py").write_text("ZOO = ()")
    code, outcomes, printed = run_pytest(zoo, "--zoo", "zoo.py")
    assert (code, outcomes) == (2, {}) and "must define ZOO" in printed
