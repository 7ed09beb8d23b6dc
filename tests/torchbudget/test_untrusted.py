"""Zoo files that nobody vouches for: judged apart, and never a pass without a verdict."""

import subprocess
import sys
from pathlib import Path

import pytest
from tampering import edit

ROOT = Path(__file__).resolve().parents[2]


def judge(zoo: Path, *words: str) -> subprocess.CompletedProcess:
    command = [
        sys.executable,
        ROOT / "check.py",
        "--zoo",
        zoo / "zoo.py",
        "--only",
        "params",
        "--untrusted",
        *words,
    ]
    return subprocess.run(command, capture_output=True, text=True, cwd=zoo)


def test_an_honest_zoo_is_judged_as_ever(zoo):
    result = judge(zoo)
    assert result.returncode == 0 and result.stdout.splitlines()[-1] == "1 pass; exit code 0"
    edit(zoo / "zoo.py", "max_params=5_000", "max_params=500")
    assert judge(zoo).returncode == 1


@pytest.mark.parametrize(
    ("cheat", "words", "reason"),
    [
        ("import os; os._exit(0)", [], "without a verdict"),
        ("while True: pass", ["--max-seconds", "5"], "no verdict within 5 s"),
    ],
    ids=["ends the process", "never ends"],
)
def test_a_zoo_without_a_verdict_is_never_a_pass(zoo, cheat, words, reason):
    edit(zoo / "zoo.py", "ZOO = (", f"{cheat}\nZOO = (")
    result = judge(zoo, *words)
    assert result.returncode == 3 and reason in result.stderr and "Traceback" not in result.stderr


def test_a_zoo_that_takes_all_memory_is_stopped(zoo):
    edit(zoo / "zoo.py", "ZOO = (", "hoard = bytearray(6 * 2**30)\nZOO = (")
    result = judge(zoo, "--max-memory", "4")
    assert result.returncode != 0 and "Traceback" not in result.stderr
