"""Measurement 5: what the shortest commands take from start to end, and which imports it goes to."""

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bench.choice import ROOT, Choice
from bench.stopwatch import seconds_of, show, spread, table, take_turns

TOP = 10


def wall_seconds(command: list[str], folder: Path) -> float:
    """Raises `RuntimeError` where the command fails."""
    return seconds_of(lambda: run_quietly(command, folder))


def run_quietly(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        last = ["", *(done.stderr or done.stdout).splitlines()][-1]
        raise RuntimeError(
            f"{' '.join(map(str, command[1:]))} ended with exit code {done.returncode}: {last}"
        )
    return done


def import_seconds(log: str) -> dict[str, float]:
    """Top-level package: seconds that its modules took themselves, by the output of `python -X importtime`, longest first."""
    own = Counter()
    for microseconds, module in re.findall(
        r"^import time:\s*(\d+) \|\s*\d+ \|\s*([\w.]+)", log, re.MULTILINE
    ):
        own[module.split(".")[0]] += int(microseconds)
    return {name: microseconds / 1e6 for name, microseconds in own.most_common()}


def look_into(words: list[str]) -> dict:
    """Where one run spends its time: all imports, and those of the ten longest packages. Being watched takes time too, so this run is not among the timed."""
    log = []
    wall = seconds_of(
        lambda: log.append(run_quietly([sys.executable, "-X", "importtime", *words], ROOT).stderr)
    )
    packages = import_seconds(log[0])
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
        commands = {
            "python": ["-c", "pass"],
            "import torch": ["-c", "import torch"],
            "check.py --only params": ["check.py", "--only", "params"],
            "predict.py digit.png": ["predict.py", str(picture)],
        }
        runs = {
            name: lambda words=words: wall_seconds([sys.executable, *words], ROOT)
            for name, words in commands.items()
        }
        found = take_turns(runs, choice.repeats)
        inside = {
            name: look_into(words)
            for name, words in commands.items()
            if name.split()[0].endswith(".py")
        }
    return {"seconds": {name: spread(values) for name, values in found.items()}, "inside": inside}


def describe(figures: dict) -> str:
    parts = [
        table(
            ("command", "seconds"),
            [(name, show(found)) for name, found in figures["seconds"].items()],
        )
    ]
    for name, inside in figures["inside"].items():
        title = f"{name}: imports are {inside['share_of_imports']:.0%} of {inside['seconds']:.2f} s"
        parts.append(
            table(
                (title, "seconds"),
                [
                    (f"  {package}", f"{seconds:.3f}")
                    for package, seconds in inside["packages"].items()
                ],
            )
        )
    return "\n\n".join(parts)
