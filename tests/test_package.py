"""The wheel: what it holds, and that it works beside a host project without this repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import torchbudget

ROOT = Path(__file__).resolve().parent.parent
PACKAGED = ("pyproject.toml", "README.md", "LICENSE")
HOST = {
    "pyproject.toml": '[tool.torchbudget]\nzoo = "zoo.py"\n',
    "utils/__init__.py": "WIDTH = 8\n",
    "gates/__init__.py": "raise RuntimeError('gates of the host')\n",
    "model.py": (
        "from dataclasses import dataclass\n\nfrom torch import nn\nfrom utils import WIDTH\n\n\n"
        "@dataclass(frozen=True)\nclass Recipe:\n    epochs: int = 1\n    val_images: int = 0\n\n\n"
        "def Net():\n"
        "    return nn.Sequential(\n"
        "        nn.Conv2d(1, WIDTH, 5), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),\n"
        "        nn.Linear(WIDTH, 10),\n"
        "    )\n"
    ),
    "test_host.py": "import utils\n\n\ndef test_own():\n    assert utils.WIDTH == 8\n",
}
"""A host project whose folders have the names that this repository uses."""


def run(folder: Path, *command: str | Path) -> subprocess.CompletedProcess:
    """A command in `folder`, with nothing of this repository on Python's path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)


@pytest.fixture(scope="session")
def dist(tmp_path_factory) -> Path:
    """The folder with the wheel and the sdist of a copy of this tree."""
    tree = tmp_path_factory.mktemp("source") / "tree"
    tracked = run(ROOT, "git", "ls-files", "*.py", "*.typed", *PACKAGED).stdout.splitlines()
    for name in tracked:
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    done = run(tree, sys.executable, "-m", "build", "--no-isolation", "--outdir", "dist")
    assert done.returncode == 0, done.stdout + done.stderr
    return tree / "dist"


@pytest.fixture(scope="session")
def installed(dist, tmp_path_factory) -> Path:
    """The programs' folder of an environment with the wheel, beside the packages that run here."""
    folder = tmp_path_factory.mktemp("bare")
    done = run(folder, sys.executable, "-m", "venv", "venv")
    assert done.returncode == 0, done.stderr
    (packages,) = (folder / "venv" / "lib").glob("*/site-packages")
    (packages / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    programs = folder / "venv" / "bin"
    (wheel,) = dist.glob("*.whl")
    install = (programs / "python", "-m", "pip", "install", "--no-deps", "--no-index", wheel)
    done = run(folder, *install)
    assert done.returncode == 0, done.stderr
    return programs


@pytest.fixture
def host(tmp_path, declare_net) -> Path:
    """A host project of its own."""
    for name, text in {**HOST, "zoo.py": declare_net}.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return tmp_path


@pytest.fixture
def declare_net() -> str:
    """A zoo file of six lines."""
    return (
        "from model import Net, Recipe\n"
        "from torchbudget import Budget, Entry\n\n"
        "BUDGET = Budget(max_params=1_000, max_misses=9_000, max_epochs=9)\n"
        'ZOO = (Entry(name="net", network=Net, budget=BUDGET, recipe=Recipe()),)\n'
    )


# --- what it holds --------------------------------------------------------------------------------


def test_the_wheel_holds_the_package_and_its_metadata_only(dist):
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    tops = {name.split("/")[0] for name in names}
    assert tops == {"torchbudget", f"torchbudget-{torchbudget.__version__}.dist-info"}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "torchbudget").rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    assert {name for name in names if name.startswith("torchbudget/")} == sources


def test_the_sdist_builds_and_holds_nothing_of_the_zoo(dist):
    (sdist,) = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {*PACKAGED, "torchbudget/cli.py"} <= names
    assert not {name for name in names if name.startswith(("zoo", "model", "utils", "weights"))}


# --- the public names -----------------------------------------------------------------------------


def test_the_public_names_are_there_and_listed():
    assert set(torchbudget.__all__) <= set(dir(torchbudget))
    with pytest.raises(AttributeError, match="no attribute 'Nonsense'"):
        _ = torchbudget.Nonsense


@pytest.mark.parametrize("module", ["torchbudget", "torchbudget.plugin", "torchbudget.cli"])
def test_importing_it_imports_neither_torch_nor_numpy(module):
    program = f"import sys, {module}; print({{'torch', 'numpy', 'rich'}} & set(sys.modules))"
    assert run(ROOT, sys.executable, "-c", program).stdout == "set()\n"


# --- beside a host project ------------------------------------------------------------------------


def test_the_command_judges_a_host_project_and_shadows_nothing_of_it(installed, host):
    done = run(host, installed / "torchbudget", "check", "--only", "params")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "1 pass; exit code 0"
    (host / "zoo.py").write_text((host / "zoo.py").read_text().replace("1_000", "10"))
    assert run(host, installed / "torchbudget", "check", "--only", "params").returncode == 1


def test_the_version_is_the_packages(installed, host):
    done = run(host, installed / "torchbudget", "--version")
    assert done.stdout == f"torchbudget {torchbudget.__version__}\n"


def test_pytest_runs_the_hosts_tests_and_the_gates(installed, host):
    pytest_command = (installed / "python", "-m", "pytest", "-p", "no:cacheprovider", "-rA", "-q")
    done = run(host, *pytest_command)
    assert "PASSED test_host.py::test_own" in done.stdout, done.stdout + done.stderr
    assert "PASSED zoo.py::net::params" in done.stdout
    assert "FAILED zoo.py::net::accuracy" in done.stdout  # nothing is recorded yet
    assert "Captured log" not in done.stdout
    own = run(host, *pytest_command, "test_host.py")
    assert own.returncode == 0 and "zoo.py" not in own.stdout


def test_a_suite_that_makes_errors_of_warnings_gets_the_same_verdict(installed, host):
    (host / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    command = (installed / "python", "-m", "pytest", "-p", "no:cacheprovider", "-q")
    done = run(host, *command, "zoo.py::net::params", "test_host.py")
    assert done.returncode == 0, done.stdout + done.stderr
