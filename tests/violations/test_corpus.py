"""The self-test: the gate that a violation names catches it, and nothing honest is stopped.

A case is a file. `cheat_*` and `honest_*` are zoo files of one entry, judged by the gates that need
no evidence; `record_*` tampers with a copy of a zoo that was trained for real. The first words of a
docstring name the gate that must fail: one that breaks or cannot measure has caught nothing.
"""

import importlib.util
import json
import re
from pathlib import Path

import pytest

from torchbudget import cli
from torchbudget.errors import EXIT_FAIL, EXIT_USAGE
from torchbudget.gates import GATES

HERE = Path(__file__).resolve().parent
READERS = {"results", "waivers"}
"""What is named in a gate's place where a file is refused before any gate judges."""
STATIC = "params,structure,cost"
CHEATS, HONEST, RECORDS = (
    sorted(HERE.glob(f"{kind}_*.py")) for kind in ("cheat", "honest", "record")
)


def named_gate(path: Path) -> str:
    """The gate that a case's docstring names."""
    return re.match(r'"""Caught by (\w+): ', path.read_text(encoding="utf-8")).group(1)


def verdicts(*words: str, out: Path) -> tuple[int, dict[str, set[str]]]:
    """Exit code of check.py, and the statuses that each gate gave."""
    out.unlink(missing_ok=True)
    code = cli.check([*words, "--json", str(out)])
    statuses: dict[str, set[str]] = {}
    for verdict in json.loads(out.read_text(encoding="utf-8"))["verdicts"] if out.exists() else []:
        statuses.setdefault(verdict["gate"], set()).add(verdict["status"])
    return code, statuses


@pytest.mark.parametrize("path", CHEATS, ids=lambda path: path.stem)
def test_a_cheating_network_is_caught_by_the_gate_that_it_names(path, tmp_path):
    code, statuses = verdicts("--zoo", str(path), "--only", STATIC, out=tmp_path / "verdicts.json")
    assert code == EXIT_FAIL and statuses[named_gate(path)] == {"fail"}


@pytest.mark.parametrize("path", HONEST, ids=lambda path: path.stem)
def test_an_honest_oddity_passes(path, tmp_path):
    code, statuses = verdicts("--zoo", str(path), "--only", STATIC, out=tmp_path / "verdicts.json")
    assert (code, statuses) == (0, {gate: {"pass"} for gate in STATIC.split(",")})


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.stem)
def test_a_tampered_zoo_is_caught_by_the_gate_that_it_names(path, zoo, tmp_path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    case = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(case)
    case.tamper(zoo)
    gate = named_gate(path)
    base = ["--base", "HEAD"] if (zoo / ".git").exists() else []
    only = ["--only", gate] if gate in GATES else []
    words = ["--zoo", str(zoo / "zoo.py"), *base, *only]
    code, statuses = verdicts(*words, out=tmp_path / "verdicts.json")
    refused = gate in READERS and code == EXIT_USAGE and not statuses
    assert code != 0 and (refused or "fail" in statuses[gate])


def test_the_corpus_is_as_large_as_promised_and_leaves_no_gate_out():
    cases = CHEATS + RECORDS
    assert len(cases) >= 40 and len(HONEST) >= 20
    assert {named_gate(path) for path in cases} - READERS == set(GATES)


def test_no_state_of_the_world_without_a_measurement_exits_0(tmp_path, zoo):
    (tmp_path / "empty.py").write_text("ZOO = ()\n")
    states = [
        ["--zoo", str(tmp_path / "empty.py")],
        ["--zoo", str(tmp_path / "gone.py")],
        ["--only", "nothing"],
        ["nobody"],
    ]
    states += [
        ["--zoo", str(zoo / "zoo.py"), *words]
        for words in (["--weights", str(tmp_path)], ["--results", str(tmp_path / "none.json")])
    ]
    assert all(cli.check(words) != 0 for words in states)
