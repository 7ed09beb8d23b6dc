"""`environment.py` reports what the machine itself reports, and names each package that differs."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import environment
from torchbudget.evidence import machine

SOURCE = Path(environment.__file__).read_text(encoding="utf-8")
TORCH = torch.__version__.split("+")[0]


def place(folder: Path, requirements: str = "", source: str = SOURCE) -> Path:
    """`environment.py` with requirements of its own."""
    (folder / "requirements.txt").write_text(requirements)
    (folder / "environment.py").write_text(source)
    return folder / "environment.py"


def verify(program: Path) -> subprocess.CompletedProcess:
    path = {"PYTHONPATH": str(Path(environment.__file__).parent)}
    return subprocess.run(
        [sys.executable, program], capture_output=True, text=True, env=os.environ | path
    )


def commit_of(program: Path) -> str:
    return machine.commit(program.parent)


def git(folder: Path, *words: str) -> str:
    author = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "core.hooksPath=/dev/null",
    ]
    return subprocess.run(
        ["git", *author, *words], cwd=folder, capture_output=True, text=True, check=True
    ).stdout.strip()


# --- whether it will do ---------------------------------------------------------------------------


def test_an_environment_as_pinned_is_verified(tmp_path):
    done = verify(place(tmp_path, f"torch=={TORCH}\n"))
    assert done.returncode == 0, done.stderr
    assert "environment verified" in done.stdout


@pytest.mark.parametrize(
    ("pin", "names"),
    [
        ("no-such-package==1.2.3", ["no-such-package", "1.2.3", "missing"]),
        ("torch==0.0.1", ["torch", "0.0.1", TORCH]),
    ],
    ids=["not installed", "another version"],
)
def test_a_pin_that_does_not_hold_is_named_with_both_versions_and_exits_3(tmp_path, pin, names):
    done = verify(place(tmp_path, f"torch=={TORCH}\n{pin}\n"))
    assert done.returncode == 3
    assert "verified" not in done.stdout
    assert "make env-update" in done.stderr
    (bad,) = [line for line in done.stdout.splitlines() if "BAD" in line]
    assert [name for name in names if name not in bad] == []


def test_a_python_that_is_too_old_is_named_and_exits_3(tmp_path):
    done = verify(
        place(tmp_path, source=re.sub(r"MIN_PYTHON = .*", "MIN_PYTHON = (99, 0)", SOURCE))
    )
    assert done.returncode == 3
    assert f"Python {platform.python_version()} is older than 99.0" in done.stdout + done.stderr


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", fullmatch=True),
        st.from_regex(r"[0-9]+(\.[0-9]+){1,3}", fullmatch=True),
    )
)
def test_every_pin_is_read_and_no_comment(tmp_path_factory, pins):
    path = tmp_path_factory.getbasetemp() / "requirements.txt"
    path.write_text(
        "# torch==0.1\n" + "".join(f"{package}=={version}\n" for package, version in pins.items())
    )
    assert environment.pinned_versions(path) == pins


def test_a_build_of_the_pinned_version_is_the_pinned_version(tmp_path, monkeypatch):
    (tmp_path / "some_build-1.2.3.dist-info").mkdir()
    (tmp_path / "some_build-1.2.3.dist-info/METADATA").write_text(
        "Metadata-Version: 2.1\nName: some-build\nVersion: 1.2.3+cu132\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert machine.installed_version("some-build") == "1.2.3"


# --- which one it is ------------------------------------------------------------------------------


def test_versions_are_those_that_would_be_imported():
    import numpy
    import safetensors
    import torchvision

    imported = {
        module.__name__: module.__version__.split("+")[0]
        for module in (torch, torchvision, numpy, safetensors)
    }
    assert machine.versions() == {"python": platform.python_version(), **imported}
    assert machine.installed_version("no-such-package") is None


def test_hardware_is_what_the_machine_says():
    found = machine.hardware("cpu")
    assert found["device"] == found["cpu"] != ""
    assert found["cores"] == os.cpu_count()
    assert found["threads"] == torch.get_num_threads()
    assert environment.default_device() == ("cuda" if torch.cuda.is_available() else "cpu")


def test_memory_is_what_the_system_counts():
    pages, size = (
        int(subprocess.run(["getconf", name], capture_output=True, text=True, check=True).stdout)
        for name in ("_PHYS_PAGES", "PAGE_SIZE")
    )
    assert machine.memory_gib() == pytest.approx(pages * size / 2**30, abs=0.05)


def test_threads_are_those_of_the_moment():
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        assert machine.hardware("cpu")["threads"] == 1
    finally:
        torch.set_num_threads(before)


def test_the_commit_is_what_is_checked_out_and_a_plus_says_that_code_was_changed(tmp_path):
    program = place(tmp_path)
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "--message=first")
    head = git(tmp_path, "rev-parse", "HEAD")[:12]
    assert commit_of(program) == head
    (tmp_path / "requirements.txt").write_text("# a record or a list may change, code may not\n")
    assert commit_of(program) == head
    program.write_text(SOURCE + "\n")
    assert commit_of(program) == f"{head}+"


def test_the_commit_is_unknown_outside_git(tmp_path):
    assert commit_of(place(tmp_path)) == "unknown"
