"""--fail-fast stops at the first failure and lists the rest; --format says what stdout holds."""

import json
import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tampering import edit
from untrained import make_zoo

from torchbudget import cli

GATES = "params,structure,seeds"


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A zoo whose first gate fails."""
    folder = make_zoo(tmp_path_factory.mktemp("failing"))
    edit(folder / "zoo.py", "max_params=5_000", "max_params=100")
    return folder


def check(folder: Path, *words: str) -> int:
    return cli.check(["--zoo", str(folder / "zoo.py"), "--only", GATES, *words])


def statuses(folder: Path, *words: str) -> tuple[int, list[str]]:
    """The exit code, and the status of each verdict in order."""
    code = check(folder, "--json", str(folder / "verdicts.json"), *words)
    verdicts = json.loads((folder / "verdicts.json").read_text())["verdicts"]
    return code, [verdict["status"] for verdict in verdicts]


def test_the_first_failure_ends_it_and_the_rest_is_listed_as_not_judged(folder, capsys):
    assert statuses(folder, "--fail-fast") == (1, ["fail", "not_judged", "not_judged"])
    out = capsys.readouterr().out
    assert out.count("not judged: left out after the first failure") == 2
    assert out.splitlines()[-1] == "1 fail, 2 not judged; exit code 1"
    assert statuses(folder) == (1, ["fail", "pass", "pass"])


def test_a_waived_failure_does_not_end_it(folder):
    observed = json.dumps(_observed(folder))
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    (folder / "waivers.toml").write_text(
        f'[[waiver]]\nentry = "tiny"\ngate = "params"\naccepted = {observed}\n'
        f'reason = "a test"\nowner = "Ada"\nexpires = {tomorrow}\n'
    )
    found = statuses(folder, "--fail-fast")
    (folder / "waivers.toml").unlink()
    assert found == (0, ["waived", "pass", "pass"])


def _observed(folder: Path) -> str:
    check(folder, "--json", str(folder / "verdicts.json"))
    observed: str = json.loads((folder / "verdicts.json").read_text())["verdicts"][0]["observed"]
    return observed


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("terminal", lambda text: text.startswith("FAIL  tiny: params  zoo.py:")),
        ("json", lambda text: json.loads(text)["exit_code"] == 1),
        ("markdown", lambda text: text.startswith("| entry | gate | status |")),
        ("junit", lambda text: ET.fromstring(text).get("failures") == "1"),
        ("sarif", lambda text: json.loads(text)["version"] == "2.1.0"),
        ("github", lambda text: text.startswith("::error file=")),
    ],
)
def test_stdout_is_the_report_in_the_format_asked_for_and_nothing_else(folder, name, read, capsys):
    assert check(folder, "--fail-fast", "--format", name) == 1
    printed = capsys.readouterr()
    assert read(printed.out) and printed.err == ""
