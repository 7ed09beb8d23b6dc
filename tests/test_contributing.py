"""The files by which others work with this repository: of their schemas, and true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from test_repository import ROOT, TARGETS

import torchbudget
from torchbudget import cli

CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml"))
SCHEMAS = {
    "vendor.citation-file-format": (ROOT / "CITATION.cff",),
    "vendor.dependabot": (ROOT / ".github/dependabot.yml",),
    "vendor.github-issue-config": (ROOT / ".github/ISSUE_TEMPLATE/config.yml",),
    "vendor.github-issue-forms": tuple(path for path in FORMS if path.name != "config.yml"),
}


def check(schema: str, *paths: Path) -> int:
    """The exit code of holding the files to a schema that check-jsonschema ships."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths]
    return subprocess.run(command, capture_output=True).returncode


@pytest.mark.parametrize("schema", SCHEMAS)
def test_each_file_is_of_its_schema_which_bites(schema, tmp_path):
    first = SCHEMAS[schema][0]
    broken = tmp_path / first.name
    content = yaml.safe_load(first.read_text(encoding="utf-8")) | {"unheard_of": 1}
    content.pop("title", None)
    content.pop("body", None)
    broken.write_text(yaml.safe_dump(content), encoding="utf-8")
    assert [check(schema, *SCHEMAS[schema]), check(schema, broken)] == [0, 1]


def test_version_and_licence_are_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    newest = re.search(r"^## (\S+)", changelog, re.MULTILINE)[1]
    assert citation["version"] == newest == torchbudget.__version__
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith(citation["license"])
    assert citation["authors"][0]["name"] in licence


def test_what_it_names_exists():
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", CONTRIBUTING, re.MULTILINE))
    assert {"setup", "lint", "test", "train", "check", "lock"} <= named <= TARGETS
    paths = re.findall(r"`((?:[\w.-]+/)*[\w.-]+(?:\.(?:py|md|json|lock|txt)|/))`", CONTRIBUTING)
    assert len(paths) > 12
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_its_own_data_set_is_judged(tmp_path):
    (example,) = re.findall(r"```python\n(.*?)```", CONTRIBUTING, re.DOTALL)
    (tmp_path / "zoo.py").write_text(example, encoding="utf-8")
    assert cli.check(["--zoo", str(tmp_path / "zoo.py"), "--only", "params"]) == 0


def test_every_command_that_explains_runs(capsys):
    words = re.search(r"^torchbudget (explain \w+)", CONTRIBUTING, re.MULTILINE)[1].split()
    assert cli.main(words) == 0
    assert "Why" in capsys.readouterr().out


def test_the_hooks_run_targets_that_exist():
    (repository,) = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
    assert repository["repo"] == "local"  # nothing is fetched
    entries = [hook["entry"].split() for hook in repository["hooks"]]
    assert entries and all(make == "make" and target in TARGETS for make, target in entries)
