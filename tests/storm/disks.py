"""A disk that is full before a run writes: the run says so, and goes on where there is room."""

import contextlib
import errno
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from storm.areas import EXIT_UNMEASURED, Storm
from storm.process import Outcome, Place, Tally, stop_before


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[str]:
    """A file system of 16 MiB at `folder`; why there is none, "" where there is."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
        problem = done.stderr.strip() if done.returncode else ""
    except OSError as error:
        problem = str(error)
    try:
        yield problem
    finally:
        if not problem:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write to `path` until the disk is full."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        for size in (1 << 16, 1):
            with contextlib.suppress(OSError):
                while os.write(file, bytes(size)) == size:
                    pass
    finally:
        os.close(file)


def fill_disks(storm: Storm, count: int) -> Tally:
    """Fill the disk before each change of a file, or before `count` of them, evenly spread."""
    tally = Tally("full disk")
    survived = 0
    for number, entry, known in storm.take_entries(count):
        with small_disk(storm.folder / "disks" / str(number)) as problem:
            if problem:
                tally.notes = f"not tried: nothing can be mounted here ({problem})"
                break
            logs = storm.folder / "logs-of-disks" / str(number)
            folder = storm.folder / "disks" / str(number) / "disk"
            place = Place(folder, entry, logs, known.teacher)
            ballast = place.folder.parent / "ballast"
            before = number * known.num_changes // count
            act = stop_before(before, lambda path=ballast: fill_once(path), place.folder)
            outcome = place.run(act)
            tally.tried += 1
            if outcome.code == 0:
                survived += 1
            else:
                tally.expect(is_told(outcome, place), f"{entry}: {outcome.code} {outcome.err!r}")
            place.check_whole(tally, entry)
            ballast.unlink(missing_ok=True)
            if outcome.code:
                outcome = place.run()
            place.check_end(tally, outcome, known.evidence)
    tally.notes = tally.notes or f"{survived} ended as if nothing had been: all was written by then"
    return tally


def fill_once(path: Path) -> None:
    if not path.exists():
        fill(path)


def is_told(outcome: Outcome, place: Place) -> bool:
    """One line that names a file or folder of the run, and the documented exit code."""
    lines = outcome.err.strip().splitlines()
    told = len(lines) == 1 and os.strerror(errno.ENOSPC) in lines[0]
    too_little = len(lines) == 1 and "MiB are free" in lines[0]
    return (
        outcome.code == EXIT_UNMEASURED and (told or too_little) and str(place.folder) in lines[0]
    )
