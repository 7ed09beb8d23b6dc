"""Measurement 5: seconds of the shortest commands from start to end, and of their imports."""

import functools
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.choice import ROOT, Choice
from bench.stopwatch import seconds_of, show, spread, table, take_turns
from torchbudget.errors import TorchBudgetError

TOP = 10


class CommandError(TorchBudgetError):
    """A command that failed; the message has its exit code and its last line."""


def wall_seconds(command: list[str], folder: Path) -> float:
    """Seconds that a command takes from start to end; raises `CommandError`."""
    return seconds_of(lambda: run_quietly(command, folder))


def run_quietly(
    command: list[str], folder: Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess:
    """Run a command and capture its output; raises `CommandError`."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    if done.returncode:
        last = ["", *(done.stderr or done.stdout).splitlines()][-1]
        raise CommandError(
            f"{' '.join(map(str, command[1:]))} ended with exit code {done.returncode}: {last}"
        )
    return done


def import_seconds(log: str) -> dict[str, float]:
    """Seconds that the modules of each top-level package took themselves, longest first.

    `log` is the output of `python -X importtime`.
    """
    own = Counter()
    for microseconds, module in re.findall(
        r"^import time:\s*(\d+) \|\s*\d+ \|\s*([\w.]+)", log, re.MULTILINE
    ):
        own[module.split(".")[0]] += int(microseconds)
    return {name: microseconds / 1e6 for name, microseconds in own.most_common()}


def look_into(words: list[str]) -> dict:
    """The seconds that one run spends on imports, and on those of the ten longest packages.

    -X importtime takes time itself, so this run is not one of the timed runs.
    """
    started = time.perf_counter()
    done = run_quietly([sys.executable, "-X", "importtime", *words], ROOT)
    wall = time.perf_counter() - started
    packages = import_seconds(done.stderr)
    imports = sum(packages.values())
    return {
        "seconds": wall,
        "imports": imports,
        "share_of_imports": imports / wall,
        "packages": dict(list(packages.items())[:TOP]),
    }


def measure(choice: Choice) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "digit.png"
        shutil.copyfile(ROOT / "samples/digit.png", picture)
        export = [sys.executable, "-m", "utils.export", "slim", "--out", folder]
        run_quietly([*export, *choice.words_of_root], ROOT)
        exported = str(Path(folder) / "slim.onnx")
        commands = {
            "python": ["-c", "pass"],
            "import torch": ["-c", "import torch"],
            "check.py --only params": ["check.py", "--only", "params"],
            "predict.py digit.png": ["predict.py", str(picture)],
            "predict.py digit.png --onnx": ["predict.py", str(picture), "--onnx", exported],
        }
        runs = {}
        inside = {}
        for name, words in commands.items():
            runs[name] = functools.partial(wall_seconds, [sys.executable, *words], ROOT)
        seconds = take_turns(runs, choice.repeats)
        for name, words in commands.items():
            if words[0].endswith(".py"):
                inside[name] = look_into(words)
    return {"seconds": {name: spread(values) for name, values in seconds.items()}, "inside": inside}


def describe(figures: dict) -> str:
    rows = [(name, show(seconds)) for name, seconds in figures["seconds"].items()]
    parts = [table(("command", "seconds"), rows)]
    for name, inside in figures["inside"].items():
        title = f"{name}: imports are {inside['share_of_imports']:.0%} of {inside['seconds']:.2f} s"
        packages = inside["packages"].items()
        rows = [(f"  {package}", f"{seconds:.3f}") for package, seconds in packages]
        parts.append(table((title, "seconds"), rows))
    return "\n\n".join(parts)
