"""A zoo is built where the system has no fork, no named pipe and no launcher, as Windows has none.

On other systems these are taken away; what the zoo's own process has of them stays.
"""

import os

import pytest

from torchbudget import cli
from torchbudget.building import connection
from torchbudget.building.builder import Work, run_apart
from torchbudget.building.client import build_zoo
from torchbudget.confinement import process, tree
from torchbudget.errors import BuildError

ZOO = """
from torch import nn
from torchbudget import Budget, Entry, data

class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(16, 2))

DATA = data.custom("mine", None.__class__, data.ImageSpec((1, 4, 4), 2))
ZOO = (Entry(name="plain", network=Net, data=DATA, budget=Budget(max_params=100)),)
"""
LACKING = {
    os: ("fork", "mkfifo", "killpg", "sysconf", "waitid", "getuid", "geteuid", "uname"),
}


@pytest.fixture(autouse=True)
def windows(monkeypatch, tmp_path):
    """Take away what Windows lacks, once pytest has made its folder.

    A server that earlier tests left is ended first: its watch needs what is taken away.
    """
    connection.stop_servers()
    for module, names in LACKING.items():
        for name in names:
            monkeypatch.delattr(module, name, raising=False)
    monkeypatch.setattr(connection, "CAN_FORK", False)
    monkeypatch.setattr(connection, "_servers", {})
    monkeypatch.setattr(process, "HAS_LAUNCHER", False)
    monkeypatch.setattr(tree, "PROC", str(tmp_path / "proc"))
    yield
    connection.stop_servers()


def write_zoo(folder, text: str):
    path = folder / "zoo.py"
    path.write_text(text, encoding="utf-8")
    return path


def test_it_is_judged_and_said_to_be_unconfined(tmp_path, capsys):
    zoo = write_zoo(tmp_path, ZOO)
    assert cli.check(["--zoo", str(zoo), "--only", "params"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "not forbidden to the zoo's code on this system: " in printed and "34" in printed


@pytest.mark.parametrize(
    ("line", "seconds", "reason"),
    [
        ("import os; os.write(2, b'my last word'); os._exit(7)", 60, "7.*my last word"),
        ("import time; time.sleep(60)", 3, "was not built within 3 s"),
    ],
)
def test_a_zoo_that_ends_or_never_ends_is_one_error(tmp_path, line, seconds, reason):
    with pytest.raises(BuildError, match=reason):
        build_zoo(write_zoo(tmp_path, f"{line}\n{ZOO}"), seconds=seconds)


def test_work_runs_here_one_after_the_other():
    payloads = {name: ({"error": name}, b"", b"") for name in "ab"}
    work = [Work(name, lambda name=name: payloads[name]) for name in "ab"]
    assert run_apart(work) == payloads
