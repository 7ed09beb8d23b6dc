"""Trainings on a Ray cluster of two nodes, whose workers are killed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

from ray_cluster import find_workers, two_nodes

from storm.areas import Storm
from storm.process import Outcome, Place, Tally, random_moment
from utils.dispatch import TRIES

TRAIN = Path(__file__).resolve().parents[2] / "train.py"
APART = 10.0
"""Seconds between two kills, at most."""


def lose_workers(storm: Storm, count: int) -> Tally:
    """Train all entries on the cluster, again and again, until `count` workers were killed."""
    tally = Tally("Ray's workers killed")
    if find_spec("ray") is None:
        tally.notes = "not tried: Ray is not installed"
        return tally
    rounds = 0
    with two_nodes() as address:
        while tally.tried < count and not storm.is_over:
            folder = storm.folder / "cluster" / str(rounds)
            train_all(storm, folder, address, tally, min(count - tally.tried, TRIES - 1))
            rounds += 1
    tally.notes = f"{rounds} trainings of all {len(storm.undisturbed)} recipes on two nodes"
    return tally


def train_all(storm: Storm, folder: Path, address: str, tally: Tally, kills: int) -> None:
    """Train all entries once, killing `kills` workers; all must be recorded as undisturbed.

    A job is given up after `TRIES` lost workers, so fewer are killed of all jobs together.
    """
    first, *others = storm.undisturbed
    place = Place(folder, first)
    words = ["--all", "--zoo", str(place.folder / "zoo.py"), "--ray", address, "--threads", "1"]
    with (folder / "log").open("w+", encoding="utf-8") as log:
        process = subprocess.Popen([sys.executable, str(TRAIN), *words], stdout=log, stderr=log)
        while process.poll() is None:
            time.sleep(random_moment(storm.draw, APART))
            workers = find_workers()
            if workers and kills:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(storm.draw.choice(workers), signal.SIGKILL)
                    tally.tried += 1
                    kills -= 1
        log.seek(0)
        outcome = Outcome(process.returncode, 0.0, "", log.read())
    for trained in (place, *map(place.of, others)):
        trained.check_end(tally, outcome, storm.undisturbed[trained.entry].evidence)
