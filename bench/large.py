"""Measurement 7: a check of a zoo of many small entries, whole and of what changed.

The zoo is generated, each entry with a class of its own, and committed to a repository of its own.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from bench.choice import ROOT, Choice
from bench.startup import CommandError
from bench.stopwatch import table

SIZES = (100, 300, 1_000)
SHORT = (5, 15)
"""Sizes where the bench is cut short: on other data than MNIST."""
CHANGES = (0, 1, 10, 100)
"""Entries that are changed; those beyond the size of the zoo are left out."""
ONLY = "params,structure"
HEAD = """import torch.nn.functional as F
from torch import nn

from torchbudget import Budget, Entry, data


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3, stride=2)
        self.norm = nn.BatchNorm2d(width)
        self.classify = nn.Linear(width, 10)

    def forward(self, x):
        return self.classify(F.relu(self.norm(self.conv(x))).mean((2, 3)))


BUDGET = Budget(max_params=2_000)
"""
NETWORK = """

class Net{number}(Net):
    def __init__(self):
        super().__init__({width})
"""
ENTRY = """    Entry(name="net{number}", network=Net{number}, data=data.MNIST, budget=BUDGET),
"""


def write_zoo(folder: Path, size: int) -> None:
    """A zoo file of `size` entries, committed."""
    networks = [NETWORK.format(number=number, width=4 + number % 60) for number in range(size)]
    entries = [ENTRY.format(number=number) for number in range(size)]
    text = HEAD + "".join(networks) + "\n\nZOO = (\n" + "".join(entries) + ")\n"
    (folder / "zoo.py").write_text(text, encoding="utf-8")
    (folder / "weights").mkdir()
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@localhost"]
    for words in (["init", "--quiet"], ["add", "zoo.py"], ["commit", "--quiet", "-m", "zoo"]):
        subprocess.run([*git, *words], cwd=folder, check=True)


def change_weights(folder: Path, count: int) -> None:
    """Let the first `count` entries have a weights file, and no other."""
    for path in (folder / "weights").iterdir():
        path.unlink()
    for number in range(count):
        (folder / "weights" / f"net{number}-seed0.safetensors").write_bytes(b"changed")


def change_budgets(folder: Path, count: int) -> None:
    """Give the first `count` entries another budget."""
    path = folder / "zoo.py"
    old = [f"network=Net{number}, data=data.MNIST, budget=BUDGET" for number in range(count)]
    text = path.read_text(encoding="utf-8")
    for part in old:
        text = text.replace(part, part.replace("BUDGET", "Budget(max_params=1_999)"))
    path.write_text(text, encoding="utf-8")


def run_check(folder: Path, *words: str) -> dict[str, float]:
    """Seconds of a check, and the MiB of its largest process; raises `CommandError`."""
    command = [sys.executable, "-m", "torchbudget", "check", "--zoo", str(folder / "zoo.py")]
    command += ["--only", ONLY, *words]
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+", encoding="utf-8") as file:
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        file.seek(0)
        errors = file.read()
    if process.returncode:
        last = ["", *errors.splitlines()][-1]
        raise CommandError(f"a check of {folder} ended with {process.returncode}: {last}")
    return {"seconds": time.perf_counter() - began, "mib": usage.ru_maxrss / 1024}


def measure_size(size: int, changes: Sequence[int]) -> list[dict]:
    """A whole check of a zoo of `size` entries, then of what changed since."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "zoo"
        folder.mkdir()
        write_zoo(folder, size)
        verdicts = Path(place) / "verdicts.json"
        rows = [{"what": "whole", "changed": size, **run_check(folder, "--json", str(verdicts))}]
        since = ["--since", "HEAD", "--verdicts", str(verdicts)]
        for count in changes:
            change_weights(folder, count)
            rows.append({"what": "weights", "changed": count, **run_check(folder, *since)})
        change_weights(folder, 0)
        change_budgets(folder, 1)
        rows.append({"what": "budgets", "changed": 1, **run_check(folder, *since)})
    return [{"entries": size, **row} for row in rows]


def measure(choice: Choice) -> dict:
    sizes = SIZES if choice.data == "mnist" else SHORT
    rows = []
    for size in sizes:
        rows += measure_size(size, [count for count in CHANGES if count < size])
    return {"only": ONLY, "rows": rows}


def describe(figures: dict) -> str:
    names = {
        "whole": "all",
        "weights": "weights, --since",
        "budgets": "zoo.py, --since",
    }
    rows = [
        (
            f"{row['entries']:,}",
            names[row["what"]],
            f"{row['changed']:,}",
            f"{row['seconds']:.1f}",
            f"{row['mib']:,.0f}",
        )
        for row in figures["rows"]
    ]
    header = ("entries", "what changed", "entries changed", "seconds", "MiB")
    return f"check --only {figures['only']}\n" + table(header, rows)
