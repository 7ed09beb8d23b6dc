"""A zoo is built in a confined process: what its code does there changes no verdict of another."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from torchbudget import cli
from torchbudget.building.client import build_zoo
from torchbudget.errors import EXIT_FAIL, EXIT_PASS, EXIT_UNMEASURED, BuildError, ZooError

ROOT = Path(__file__).resolve().parents[3]
NETS = """
import os, sys, time
import torch
from torch import nn

class Honest(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.dense = nn.Linear(4, 10)
    def forward(self, x):
        return self.dense(self.conv(x).mean((2, 3)))

class Bad(Honest):
    def __init__(self):
        super().__init__()
        {init}
    def forward(self, x):
        {forward}
        return super().forward(x)
"""
ZOO = """
from torchbudget import Budget, Entry, data
from confined_nets import Bad, Honest
DATA = data.custom("mine", None.__class__, data.ImageSpec((1, 28, 28), 10))
BUDGET = Budget(max_params=1_000)
ZOO = (
    Entry(name="first", network=Honest, data=DATA, budget=BUDGET),
    Entry(name="bad", network=Bad, data=DATA, budget=BUDGET),
    Entry(name="last", network=Honest, data=DATA, budget=BUDGET),
)
"""


def write_zoo(folder: Path, init: str = "pass", forward: str = "pass", zoo: str = ZOO) -> Path:
    (folder / "confined_nets.py").write_text(NETS.format(init=init, forward=forward))
    (folder / "zoo.py").write_text(zoo)
    return folder / "zoo.py"


def judge(zoo: Path, *words: str) -> tuple[int, dict[str, str]]:
    """Exit code of `check --only params`, and the status of each entry."""
    out = zoo.with_name("verdicts.json")
    code = cli.check(["--zoo", str(zoo), "--only", "params", "--json", str(out), *words])
    found = json.loads(out.read_text())["verdicts"] if out.exists() else []
    return code, {verdict["entry"]: verdict["status"] for verdict in found}


@pytest.mark.parametrize(
    "code",
    [
        "os._exit(0)",
        "sys.exit(3)",
        "os.kill(os.getpid(), 9)",
        "os.fork() or time.sleep(60)",
        "nn.Conv2d = nn.Linear = torch.conv2d = sys.exit",
        "raise MemoryError",
    ],
)
@pytest.mark.parametrize("place", ["init", "forward"])
def test_a_network_that_misbehaves_where_it_is_built_changes_no_other_verdict(
    tmp_path, code, place
):
    _, verdicts = judge(write_zoo(tmp_path, **{place: code}))
    assert (verdicts["first"], verdicts["last"]) == ("pass", "pass")


def test_nothing_of_the_zoo_is_imported_where_it_is_judged(tmp_path):
    zoo = write_zoo(tmp_path, zoo=ZOO + f"assert __import__('os').getpid() != {os.getpid()}\n")
    assert judge(zoo)[0] == EXIT_PASS
    assert "confined_nets" not in sys.modules
    assert not [module for module in sys.modules.values() if _is_below(module, tmp_path)]


def _is_below(module: object, folder: Path) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(str(folder))


@pytest.mark.parametrize(
    ("line", "words", "reason"),
    [
        ("import os; os._exit(0)", [], "ended its process"),
        ("while True: pass", ["--max-seconds", "1"], "was not built within 1 s"),
        ("hoard = bytearray(3 * 2**30)", ["--max-memory", "2"], "more than 2 GiB"),
    ],
    ids=["ends the process", "never ends", "takes all memory"],
)
def test_a_zoo_that_is_not_built_is_one_line_and_no_pass(tmp_path, capsys, line, words, reason):
    zoo = write_zoo(tmp_path, zoo=f"{line}\n{ZOO}")
    code, verdicts = judge(zoo, *words)
    (message,) = capsys.readouterr().err.splitlines()
    assert code == EXIT_UNMEASURED and reason in message and not verdicts


def test_a_zoo_reads_no_secret_and_writes_nothing_of_its_parents(tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_TOKEN", "a secret")
    spoils = tmp_path / "spoils"
    attack = f"""
import os, pathlib
assert "GITHUB_TOKEN" not in os.environ
try:
    pathlib.Path({str(spoils)!r}).write_text("here")
except OSError:
    pass
"""
    assert judge(write_zoo(tmp_path, zoo=attack + ZOO))[0] == EXIT_PASS
    assert not spoils.exists()


def test_what_a_zoo_prints_reaches_nobody(tmp_path, capfd):
    attack = "print('::error file=README.md::forged')\n"
    assert judge(write_zoo(tmp_path, zoo=attack + ZOO))[0] == EXIT_PASS
    printed = capfd.readouterr()
    assert "forged" not in printed.out + printed.err


def test_what_is_counted_is_what_was_captured(tmp_path):
    """A network that looks whether it is watched is judged as what it showed."""
    watched = "'torchbudget.building.builder' in sys.modules"
    forward = "x = x + self.table.sum()"
    code, verdicts = judge(write_zoo(tmp_path, "self.table = torch.randn(40, 40)", forward))
    assert code == EXIT_FAIL and verdicts["bad"] == "fail"
    shy = f"self.more = None if {watched} else nn.Linear(9, 999)"
    assert judge(write_zoo(tmp_path, shy))[1]["bad"] == "pass"


def test_a_zoo_that_cannot_be_imported_is_named_with_its_reason(tmp_path):
    with pytest.raises(ZooError, match="NameError: name 'nothing' is not defined"):
        build_zoo(write_zoo(tmp_path, zoo="nothing\n"))
    with pytest.raises(ZooError, match="is not a file"):
        build_zoo(tmp_path / "none.py")


def test_the_images_of_a_function_of_ones_own_come_from_its_process(tmp_path):
    zoo = """
import numpy as np
from torchbudget import Budget, Entry, data
from confined_nets import Honest
def load():
    x = np.arange(30 * 784).reshape(30, 28, 28) % 256
    return x.astype("uint8"), np.arange(30) % 10, x[:10].astype("uint8"), np.arange(10)
ZOO = (Entry(name="net", network=Honest, data=data.custom("mine", load),
             budget=Budget(max_params=100)),)
"""
    built = build_zoo(write_zoo(tmp_path, zoo=zoo))
    dataset = built.entries["net"].data.load(None)
    assert len(dataset.train) == 30
    assert torch.equal(dataset.test.pixels.flatten()[:3], torch.tensor([0, 1, 2]).byte())


def test_a_zoo_is_built_from_a_folder_whose_modules_python_finds_by_an_empty_path(tmp_path):
    """As in a session of Python, and in a program that is piped in."""
    program = "from pathlib import Path; from torchbudget.building.client import build_zoo; "
    program += f"print(*build_zoo(Path({str(write_zoo(tmp_path))!r})).entries)"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-"]
    result = subprocess.run(
        command, input=program, cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert (result.stdout, result.stderr) == ("first bad last\n", "")


def test_a_server_that_was_lost_is_started_again(tmp_path):
    zoo = write_zoo(tmp_path)
    with pytest.raises(BuildError):
        build_zoo(write_zoo(tmp_path, zoo="import time; time.sleep(60)"), seconds=0.5)
    assert set(build_zoo(write_zoo(tmp_path)).entries) == {"first", "bad", "last"}
    assert zoo.exists()
