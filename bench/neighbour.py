"""Measurement 7: what a neighbour costs a training, by how torch's threads wait for each other.

Each training runs in a process of its own, alone and beside a process that is always busy.
"""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator

from bench.choice import ROOT, Choice
from bench.startup import run_quietly
from bench.stopwatch import ratio, show, spread, table, take_turns

BUSY = "while True: pass"
IMAGES = 5_000
WAITS: dict[str, dict[str, str]] = {
    "torch's own": {},
    "no spinning": {"OMP_WAIT_POLICY": "PASSIVE"},
    "one thread": {"OMP_NUM_THREADS": "1"},
}
"""What the environment says of threads, by name."""
VARIABLES = {name for waits in WAITS.values() for name in waits}


def environment(waits: dict[str, str]) -> dict[str, str]:
    """The environment of this process with those waits and no others."""
    kept = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    return kept | waits


@contextlib.contextmanager
def busy_neighbour() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", BUSY]) as process:
        try:
            yield process
        finally:
            process.kill()


def seconds_of_step(choice: Choice, waits: dict[str, str]) -> float:
    """The median seconds of a step of the entry, trained in a process of its own."""
    command = [sys.executable, "-m", "bench.point", choice.entry.name]
    command += ["--images", str(IMAGES), "--repeats", "3", "--dataset", choice.data]
    done = run_quietly([*command, *choice.words_of_root], ROOT, environment(waits))
    point = json.loads(done.stdout.splitlines()[-1])
    return float(spread(point["seconds"])["median"]) / point["steps"]


def measure(choice: Choice) -> dict:
    def alone(waits: dict[str, str]) -> float:
        return seconds_of_step(choice, waits)

    def beside(waits: dict[str, str]) -> float:
        with busy_neighbour():
            return seconds_of_step(choice, waits)

    runs = {}
    for name, waits in WAITS.items():
        runs[f"{name}, alone"] = lambda waits=waits: alone(waits)
        runs[f"{name}, beside"] = lambda waits=waits: beside(waits)
    seconds = take_turns(runs, choice.repeats)
    first = seconds["torch's own, alone"]
    figures = {}
    for name in WAITS:
        own, other = seconds[f"{name}, alone"], seconds[f"{name}, beside"]
        figures[name] = {
            "alone": spread(own),
            "beside": spread(other),
            "beside_to_alone": ratio(other, own),
            "alone_to_torchs_own": ratio(own, first),
        }
    return {"entry": choice.entry.name, "images": IMAGES, "waits": figures}


def describe(figures: dict) -> str:
    rows = []
    for name, row in figures["waits"].items():
        alone, beside = (
            {key: 1_000 * row[when][key] for key in ("median", "lowest", "highest")}
            for when in ("alone", "beside")
        )
        rows.append(
            (name, show(alone, digits=1), show(beside, digits=1), show(row["beside_to_alone"]))
        )
    header = (f"{figures['entry']}, ms a step", "alone", "beside a neighbour", "times")
    return table(header, rows)
