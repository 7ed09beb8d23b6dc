"""`make` and `.ci/run`, each in its own folder, with stand-ins for the programs that they start."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PLAIN = {
    name: value
    for name, value in os.environ.items()
    if name not in {"PYTHON", "PYTHON3", "MNIST_ROOT"} and "MAKE" not in name
}
PLAIN["UV"] = ""  # pip, whether or not uv is installed

PYTHON_3_11 = """#!/bin/sh
case "$*" in
    "-m venv"*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *"pip config list") cat pip.conf 2>/dev/null ;;
    *"pip install"*"requirements.lock uv") cp uv .venv/bin/uv 2>/dev/null ;;
    *"pip install"*) echo "$*" >> installs; test -e registry ;;
esac
"""
PYTHON_3_9 = """#!/bin/sh
case "$*" in
    --version) echo Python 3.9.2 ;;
    *"version_info < (3, 11)"*) exit 1 ;;
esac
"""
LOCKED = "--constraint requirements.lock"
STAND_IN_MAKEFILE = """
Makefile: ;
%: ; @echo "made $@ with $(MNIST_ROOT)"; test $@ != "$(BREAKS)"
"""


def make(folder: Path, *words: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", *words], cwd=folder, env=PLAIN, capture_output=True, text=True)


def install_script(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o755)
    return path


@pytest.fixture
def checkout(tmp_path) -> Path:
    for name in ("Makefile", "requirements.txt", "requirements-dev.txt", "requirements.lock"):
        shutil.copy(ROOT / name, tmp_path)
    install_script(tmp_path / "python3.11", PYTHON_3_11)
    (tmp_path / "registry").touch()
    return tmp_path


@pytest.fixture
def ci(tmp_path) -> Path:
    (tmp_path / "zoo/.ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/run", tmp_path / "zoo/.ci")
    (tmp_path / "zoo/Makefile").write_text(STAND_IN_MAKEFILE)
    (tmp_path / "bin").mkdir()
    for name in ("chromium", "npm"):  # so that nothing is installed for a test
        install_script(tmp_path / "bin" / name, "#!/bin/sh\n")
    return tmp_path / "zoo/.ci/run"


def run_ci(script: Path, **variables: str) -> tuple[int, list[str], str]:
    """Exit code, targets in the order they were made, last line."""
    path = f"{script.parents[2] / 'bin'}:{PLAIN['PATH']}"
    done = subprocess.run(
        [script], env=PLAIN | variables | {"PATH": path}, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    return (
        done.returncode,
        [line.split()[1] for line in lines if line.startswith("made ")],
        lines[-1],
    )


# --- the environment ------------------------------------------------------------------------------


def test_the_environment_is_made_once_and_again_when_the_requirements_change(checkout):
    assert make(checkout, "setup", "PYTHON3=./python3.11").returncode == 0
    (checkout / "registry").unlink()
    assert make(checkout, "setup", "PYTHON3=./python3.11").returncode == 0
    stamp = (checkout / ".venv/.installed").stat().st_mtime
    os.utime(checkout / "requirements.txt", (stamp + 1, stamp + 1))
    assert make(checkout, "setup", "PYTHON3=./python3.11").returncode == 2


def test_an_install_that_broke_off_is_taken_up_again(checkout):
    (checkout / "registry").unlink()
    assert make(checkout, "setup", "PYTHON3=./python3.11").returncode == 2
    assert (checkout / ".venv/bin/python").exists()
    assert not (checkout / ".venv/.installed").exists()
    (checkout / "registry").touch()
    assert make(checkout, "setup", "PYTHON3=./python3.11").returncode == 0
    assert (checkout / ".venv/.installed").exists()


UV = '#!/bin/sh\necho "uv $*" >> installs\n'
BY_UV = f"uv pip install --python .venv/bin/python {LOCKED} -r requirements-dev.txt"
BY_PIP = f"-m pip install --disable-pip-version-check {LOCKED} -r requirements-dev.txt"


def find_installs(checkout: Path, *words: str) -> list[str]:
    """What was installed, and by what, in a `make setup`."""
    assert make(checkout, "setup", "PYTHON3=./python3.11", *words).returncode == 0
    return (checkout / "installs").read_text().splitlines()


def test_torch_comes_from_the_index_that_is_named_and_the_rest_as_ever(checkout):
    first, second = find_installs(checkout, "UV=", "TORCH_INDEX=file:///torch")
    torch = "--no-deps --index-url file:///torch torch torchvision"
    assert first == BY_PIP.replace("-r requirements-dev.txt", torch)
    assert second == BY_PIP


@pytest.mark.parametrize("place", ["./uv", ".venv/bin/uv"])
def test_uv_installs_be_it_there_or_not(checkout, place):
    install_script(checkout / "uv", UV)  # what pip puts into .venv, too
    assert find_installs(checkout, f"UV={place}") == [BY_UV]


def test_pip_installs_where_there_is_no_uv_to_be_had(checkout):
    assert find_installs(checkout, "UV=.venv/bin/uv") == [BY_PIP]


def test_pip_installs_where_uv_fails(checkout):
    install_script(checkout / "uv", UV + "exit 1\n")
    assert find_installs(checkout, "UV=.venv/bin/uv") == [BY_UV, BY_PIP]


@pytest.mark.parametrize(
    ("line", "installs"),
    [
        ("global.index-url='https://packages.example/simple'", BY_PIP),
        (":env:.index-url='https://packages.example/simple'", BY_PIP),
        ("global.extra-index-url='https://packages.example/simple'", BY_UV),
    ],
)
def test_pip_installs_from_an_index_that_only_pip_is_told_of(checkout, line, installs):
    install_script(checkout / "uv", UV)
    (checkout / "pip.conf").write_text(line + "\n")
    assert find_installs(checkout, "UV=.venv/bin/uv") == [installs]


def test_an_old_python_is_refused_in_one_line(checkout):
    install_script(checkout / "python3.9", PYTHON_3_9)
    done = make(checkout, "train", "PYTHON3=./python3.9")
    (complaint,) = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert done.returncode == 2
    assert "3.11 or newer is needed" in complaint
    assert "Python 3.9.2" in complaint
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    "target", ["train", "check", "test", "lint", "verify", "view-results", "show-augment"]
)
def test_a_target_makes_the_environment_unless_another_python_is_named(checkout, target):
    assert "pip install" in make(checkout, "--dry-run", target).stdout
    assert "pip install" not in make(checkout, "--dry-run", target, "PYTHON=python3").stdout


# --- what is asked for ----------------------------------------------------------------------------


ECHO = """#!/bin/sh
for word in "$@"; do printf '<%s>' "$word"; done
echo
"""
"""A stand-in for Python that shows the words that it was given."""


def run_target(checkout: Path, *words: str) -> list[str]:
    """The words that the program of a target is given."""
    install_script(checkout / "echo", ECHO)
    done = make(checkout, *words, "PYTHON=./echo", f"PYTHON3={sys.executable}")
    assert done.returncode == 0, done.stderr
    return re.findall("<(.*?)>", done.stdout, re.DOTALL)


@pytest.mark.parametrize(
    ("words", "command"),
    [
        ("train", "train.py slim --seed 0 --check"),
        ("train ENTRY=net3 SEED=2 ARGS=--resume", "train.py net3 --seed 2 --check --resume"),
        ("train ENTRY=net3 RECORD=1", "train.py net3 --seed 0 --check --record"),
        ("summary ENTRY=net3", "-m utils.summary net3"),
        ("bench RECORD=1", "-m bench --record"),
        ("train-all ARGS=--device=cpu", "train.py --all --device=cpu"),
        (
            "search ENTRY=net3 TRIALS=5 ARGS=--epochs=3",
            "search.py net3 --trials 5 --seed 0 --epochs=3",
        ),
        ("check", "check.py"),
        ("check ENTRY=net3 ARGS=--json=-", "check.py net3 --json=-"),
        ("check-model ENTRY=net3", "check.py net3 --only params,structure"),
        ("check-params", "check.py --only params"),
        ("badge ENTRY=net3", "check.py net3 --badge badges/net3.svg"),
        ("predict ENTRY=net3 ARGS=digit.png", "predict.py --entry net3 digit.png"),
        ("reproduce", "-m torchbudget reproduce --in-turn"),
        ("reproduce ENTRY=net3", "-m torchbudget reproduce net3 0"),
        ("selftest", "-m pytest -q tests/violations"),
        ("view-results ARGS=--json", "-m utils.table --json"),
        ("trial ARGS=--against=declared", "train.py slim --trial --against=declared"),
        ("trials ARGS=--wide", "-m utils.trials_table --wide"),
        ("site VERDICTS=v.json", "-m utils.pages --verdicts v.json"),
    ],
)
def test_entry_seed_and_args_reach_the_program(words, command, checkout):
    assert run_target(checkout, *words.split()) == command.split()


HOSTILE = ["`touch ran`", "$(touch ran)", "$(shell touch ran)", ";touch ran", "a' ;touch ran; '"]
HOSTILE += ['a" ;touch ran; "', "a\ntouch ran", "$${x:=`touch ran`}", "| touch ran", "# &touch ran"]
"""Values that would make a file where make or a shell ran them."""


@pytest.mark.parametrize("value", HOSTILE)
def test_no_variable_is_run_by_make_or_the_shell(value, checkout):
    targets = {"ENTRY": "train", "SEED": "train", "TRIALS": "search", "VERDICTS": "site"}
    for name, target in targets.items():
        assert value in run_target(checkout, target, f"{name}={value}")
    assert not (checkout / "ran").exists()


@pytest.mark.parametrize("value", HOSTILE)
def test_args_are_words_quoted_as_for_a_shell_and_run_by_none(value, checkout):
    words = ["--json", value, "it's"]
    assert run_target(checkout, "check", f"ARGS={shlex.join(words)}") == ["check.py", *words]
    done = make(checkout, "check", f"ARGS={value}", "PYTHON=./echo", f"PYTHON3={sys.executable}")
    assert not (checkout / "ran").exists()
    assert done.returncode == 0 or "make: ARGS: No closing quotation" in done.stderr


def test_a_variable_of_the_environment_is_not_run_either(checkout):
    install_script(checkout / "echo", ECHO)
    words = ["make", "train", "PYTHON=./echo", f"PYTHON3={sys.executable}"]
    hostile = PLAIN | {"ENTRY": "$(shell touch ran)`touch ran`"}
    done = subprocess.run(words, cwd=checkout, env=hostile, capture_output=True, text=True)
    assert "<$(shell touch ran)`touch ran`>" in done.stdout
    assert not (checkout / "ran").exists()


def test_cleaning_spares_the_environment_and_what_was_learnt(checkout):
    kept = [
        checkout / name
        for name in (".venv/lib/__pycache__/a", "checkpoints/b", "weights/c", "results/d", "data/e")
    ]
    gone = [
        checkout / name
        for name in ("__pycache__/a", "utils/__pycache__/b", "reports/c", ".pytest_cache/d")
    ]
    for path in kept + gone:
        path.parent.mkdir(parents=True)
        path.touch()
    assert make(checkout, "clean").returncode == 0
    assert [path.exists() for path in kept + gone] == [True] * len(kept) + [False] * len(gone)


# --- .ci/run --------------------------------------------------------------------------------------


def test_ci_runs_every_gate_where_there_is_mnist(ci, tmp_path):
    assert run_ci(ci, MNIST_ROOT=str(tmp_path))[:2] == (
        0,
        ["lint", "train", "test", "coverage", "check", "test-site"],
    )


def test_ci_takes_the_shared_mnist_beside_it(ci, tmp_path):
    (tmp_path / "shared/data").mkdir(parents=True)
    path = f"{tmp_path / 'bin'}:{PLAIN['PATH']}"
    done = subprocess.run([ci], env=PLAIN | {"PATH": path}, capture_output=True, text=True)
    assert f"made check with {tmp_path / 'shared/data'}" in done.stdout


def test_ci_never_claims_an_accuracy_that_it_could_not_measure(ci):
    code, made, last = run_ci(ci)
    assert (code, made) == (0, ["lint", "train", "test", "coverage", "check-model", "test-site"])
    assert "ACCURACY WAS NOT MEASURED" in last


@pytest.mark.parametrize("step", ["lint", "train", "test", "coverage", "check"])
def test_ci_stops_red_at_the_first_step_that_fails(ci, tmp_path, step):
    code, made, last = run_ci(ci, MNIST_ROOT=str(tmp_path), BREAKS=step)
    assert code != 0
    assert made[-1] == step
    assert "passed" not in last
