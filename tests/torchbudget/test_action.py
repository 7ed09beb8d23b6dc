"""The GitHub action: its own steps, run on somebody's repository."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tampering import edit, edit_run

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text())
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"] if "run" in step}


def evaluate(text: str, inputs: dict[str, str]) -> str:
    """The text with its `${{ }}` expressions replaced, as GitHub replaces them."""
    values = {
        f"inputs.{name}": inputs.get(name, given["default"])
        for name, given in ACTION["inputs"].items()
    } | {
        "github.action_path": str(ROOT),
        "github.token": "the token",
        "github.event.pull_request.number": "7",
    }
    return re.sub(r"\$\{\{ *([\w.-]+) *\}\}", lambda match: values[match[1]], text)


def run_step(repository: Path, name: str, **inputs: str) -> subprocess.CompletedProcess:
    """A step of the action in `repository`, in the shell that GitHub gives it."""
    script, step = repository.parent / "step.sh", STEPS[name]
    script.write_text(evaluate(step["run"], inputs))
    assert step["shell"] == "bash"
    given = {variable: evaluate(text, inputs) for variable, text in step["env"].items()}
    programs = repository.parent / "programs"
    programs.mkdir(exist_ok=True)
    command = programs / "torchbudget"  # as the installed entry point, on this tree
    command.write_text(
        f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -P -m torchbudget "$@"\n'
    )
    command.chmod(0o755)
    python = programs / "python"
    if not python.exists():
        python.symlink_to(sys.executable)
    path = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "GITHUB_STEP_SUMMARY": str(repository.parent / "summary.md"),
        "GITHUB_OUTPUT": str(repository.parent / "output"),
        "RUNNER_TEMP": str(repository.parent),
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "somebody/zoo",
        "GITHUB_RUN_ID": "42",
    }
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
        cwd=repository,
        env=os.environ | path | given,
        capture_output=True,
        text=True,
    )


@pytest.fixture
def repository(zoo) -> Path:
    for words in (
        ["init", "--quiet"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--message=zoo"],
    ):
        subprocess.run(["git", *words], cwd=zoo, check=True)
    return zoo


def test_an_honest_zoo_passes_and_a_tampered_one_fails_on_its_line(repository):
    done = run_step(repository, "judge")
    summary = repository.parent / "summary.md"
    assert done.returncode == 0 and "::error" not in done.stdout, done.stdout + done.stderr
    assert "| tiny | accuracy | pass |" in summary.read_text()
    edit(repository / "zoo.py", "max_misses=900", "max_misses=1")
    edit_run(repository, 0, steps=1)
    line = 1 + next(
        number
        for number, text in enumerate((repository / "zoo.py").read_text().splitlines())
        if "max_misses" in text
    )
    done = run_step(repository, "judge")
    assert (
        done.returncode == 1
        and f"::error file=zoo.py,line={line},title=FAIL  tiny%3A accuracy" in done.stdout
    )
    assert (
        "| tiny | chain | fail |" in summary.read_text()
        and "tiny, test images that are wrong:" in summary.read_text()
    )


@pytest.mark.parametrize(
    ("inputs", "code"),
    [
        ({"gates": "params", "data-root": "no where", "entries": "tiny tiny"}, 0),
        ({"zoo": "$(touch injected)"}, 2),
        ({"gates": "beauty"}, 2),
        ({"entries": "$(touch injected)"}, 2),
        ({"gates": "params", "max-seconds": "0.01"}, 3),
    ],
)
def test_inputs_reach_the_program_as_they_are(repository, inputs, code):
    assert (
        run_step(repository, "judge", **inputs).returncode == code
        and not (repository / "injected").exists()
    )


def test_every_input_reaches_a_step_and_no_expression_is_pasted_into_a_script():
    texts = [
        value
        for step in ACTION["runs"]["steps"]
        for value in (
            *step.get("env", {}).values(),
            *step.get("with", {}).values(),
            step.get("working-directory", ""),
            step.get("if", ""),
        )
    ]
    assert {name for text in texts for name in re.findall(r"inputs\.([\w-]+)", text)} == set(
        ACTION["inputs"]
    )
    assert not any("${{" in step["run"] for step in STEPS.values())


def test_it_installs_the_package_with_the_callers_requirements():
    assert '"${ACTION}[images]"' in STEPS["install"]["run"]
    assert "--requirement=$REQUIREMENTS" in STEPS["install"]["run"]
    assert (ROOT / "pyproject.toml").is_file()


def test_the_action_is_of_the_schema_and_the_schema_bites(tmp_path):
    (tmp_path / "action.yml").write_text(
        (ROOT / "action.yml").read_text().replace("using: composite", "using: hope")
    )
    codes = [
        subprocess.run(
            [
                sys.executable,
                "-m",
                "check_jsonschema",
                "--builtin-schema",
                "vendor.github-actions",
                path,
            ],
            capture_output=True,
        ).returncode
        for path in (ROOT / "action.yml", tmp_path / "action.yml")
    ]
    assert codes == [0, 1]


def test_the_tutorial_shows_how_to_use_it():
    page = (ROOT / "docs/tutorials/team.md").read_text(encoding="utf-8")
    shown = re.search(r" *- uses: \S+\n(?: +\S.*\n){2}", page)[0]
    (step,) = yaml.safe_load(shown)
    assert (
        set(step) == {"uses", "with"}
        and set(step["with"]) <= set(ACTION["inputs"])
        and len(shown.splitlines()) == 3
    )
