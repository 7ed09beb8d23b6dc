"""What is done to trainings: one function an area, each until its number or its time is up."""

import contextlib
import hashlib
import mmap
import os
import random
import shutil
import signal
import struct
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from storm.process import (
    Outcome,
    Place,
    Tally,
    die,
    fork,
    random_moment,
    reading,
    stop_before,
    wait,
)
from torchbudget.evidence.results import Run, read_results, seal
from torchbudget.evidence.together import append_run, settle_runs

EXIT_UNMEASURED = 3


@dataclass(frozen=True)
class Undisturbed:
    """What an undisturbed run of an entry records, its seconds, and its changes of files.

    `teacher` is where what teaches it was trained.
    """

    place: Place
    teacher: Place | None
    evidence: tuple[bytes, str]
    seconds: float
    num_changes: int


@dataclass(frozen=True)
class Storm:
    """What all areas share: undisturbed runs by entry, where to work, chance, and the time."""

    undisturbed: dict[str, Undisturbed]
    folder: Path
    draw: random.Random
    deadline: float

    @property
    def is_over(self) -> bool:
        return time.monotonic() > self.deadline

    def take_entries(self, count: int) -> Iterator[tuple[int, str, Undisturbed]]:
        """The entries in turn, `count` in all, numbered, until the time is over."""
        names = list(self.undisturbed)
        for number in range(count):
            if self.is_over:
                return
            entry = names[number % len(names)]
            yield number, entry, self.undisturbed[entry]

    def new_place(self, area: str, number: int, entry: str) -> Place:
        teacher = self.undisturbed[entry].teacher
        return Place(self.folder / area / f"{number}-{entry}", entry, teacher=teacher)


def run_undisturbed(folder: Path, entry: str, teacher: Place | None) -> Undisturbed:
    """Train the entry once, counting what it changes in its folder."""
    place = Place(folder / "undisturbed" / entry, entry, teacher=teacher)
    counter = mmap.mmap(-1, 8)

    def count() -> None:
        (known,) = struct.unpack("q", counter[:8])
        counter[:8] = struct.pack("q", known + 1)

    outcome = place.run(stop_before(0, count, place.folder))
    if outcome.code:
        raise SystemExit(f"storm: {entry} does not train undisturbed: {outcome.err}")
    (num_changes,) = struct.unpack("q", counter[:8])
    return Undisturbed(place, teacher, place.evidence(), outcome.seconds, num_changes)


# --- kills ----------------------------------------------------------------------------------------


def kill_runs(storm: Storm, count: int) -> Tally:
    """Kill each entry's runs at random moments and before random changes of files; resume them."""
    tally = Tally("SIGKILL")
    names = list(storm.undisturbed)
    moments = 0
    lives = 0
    while tally.tried < count and not storm.is_over:
        entry = names[lives % len(names)]
        lives += 1
        place = storm.new_place("kills", lives, entry)
        with reading(place.folder / "results.json", tally):
            outcome = None
            for _ in range(storm.draw.randint(1, 4)):
                at_moment = storm.draw.random() < 0.5
                outcome = kill_one(storm, place, at_moment)
                if outcome.code == 0:
                    break
                if outcome.code != -signal.SIGKILL:
                    tally.broke.append(f"{entry}: ended with {outcome.code}: {outcome.err[-300:]}")
                    break
                tally.tried += 1
                moments += at_moment
                place.check_whole(tally, entry)
                outcome = None
            outcome = outcome or place.run()
        place.check_end(tally, outcome, storm.undisturbed[entry].evidence)
        shutil.rmtree(place.folder.parent)
    at_files = tally.tried - moments
    tally.notes = f"{lives} runs; {moments} kills at a moment, {at_files} at a change of a file"
    return tally


def kill_one(storm: Storm, place: Place, at_moment: bool) -> Outcome:
    """Train until a kill, or to the end where that comes first."""
    known = storm.undisturbed[place.entry]
    if not at_moment:
        count = storm.draw.randrange(known.num_changes)
        return place.run(stop_before(count, die, place.folder))
    began = time.monotonic()
    child = place.start()
    time.sleep(random_moment(storm.draw, known.seconds))
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return wait(child, place.logs, began)


# --- many writers ---------------------------------------------------------------------------------


def crowd_record(storm: Storm, count: int) -> Tally:
    """Two and eight processes record runs at once, `count` each; half of the eight are killed."""
    tally = Tally("2 and 8 writers")
    (example,) = next(iter(storm.undisturbed.values())).place.list_runs()
    killed = 0
    for writers in (2, 8):
        folder = storm.folder / "crowd" / str(writers)
        (folder / "logs").mkdir(parents=True)
        results = folder / "zoo" / "results.json"
        with reading(results, tally):
            children = []
            for writer in range(writers):
                logs = folder / "logs" / str(writer)
                logs.mkdir()
                children.append(fork(logs, make_writer(storm, results, example, writer, count)))
            for child in children[: writers // 2] if writers == 8 else []:
                time.sleep(random_moment(storm.draw, 0.5))
                os.kill(child, signal.SIGKILL)
            for writer, child in enumerate(children):
                outcome = wait(child, folder / "logs" / str(writer), 0.0)
                killed += outcome.code == -signal.SIGKILL
                tally.expect(
                    outcome.code in (0, -signal.SIGKILL), f"a writer ended: {outcome.err[-300:]}"
                )
        tally.tried += check_crowd(tally, folder, results)
    recorded = tally.tried
    tally.tried = 0 if storm.is_over else count
    tally.notes = f"{recorded} runs recorded by 10 writers, {killed} of which were killed"
    return tally


def make_writer(
    storm: Storm, results: Path, example: Run, writer: int, count: int
) -> Callable[[], int]:
    def write() -> int:
        for seed in range(count):
            if storm.is_over:
                break
            content = random.Random(f"{writer} {seed}").randbytes(4_000)
            digests = msgspec.structs.replace(
                example.digests, weights=hashlib.sha256(content).hexdigest()
            )
            entry = f"writer{writer}"
            run = seal(
                msgspec.structs.replace(example, entry=entry, seed=seed, digests=digests, seal="")
            )
            append_run(results, run, files_of(results, run, content))
            print(run.stem, flush=True)
        return 0

    return write


def files_of(results: Path, run: Run, content: bytes) -> dict[Path, bytes]:
    folder = results.parent
    return {
        folder / "weights" / f"{run.stem}.safetensors": content,
        folder / "pictures" / f"{run.stem}-curves.png": content[:100],
    }


def check_crowd(tally: Tally, folder: Path, results: Path) -> int:
    """How many runs were reported as recorded; each must be there, with its files."""
    settle_runs(results, [results.parent / "weights", results.parent / "pictures"])
    runs = {run.stem: run for run in read_results(results)}
    told = [stem for log in folder.glob("logs/*/out") for stem in log.read_text().split()]
    tally.expect(set(told) <= set(runs), f"lost: {sorted(set(told) - set(runs))}")
    for run in runs.values():
        weights, picture = files_of(results, run, b"")
        content = weights.read_bytes()
        whole = hashlib.sha256(content).hexdigest() == run.digests.weights
        tally.expect(whole and picture.read_bytes() == content[:100], f"{run.stem}: other files")
    shipped = {path.stem for path in (results.parent / "weights").glob("*.safetensors")}
    tally.expect(shipped == set(runs), "weights without a record")
    left = [path.name for path in folder.rglob(".*") if path.is_file() and ".staged" in path.name]
    tally.expect(not left, f"half-written files stay: {left}")
    return len(told)


# --- spoiled checkpoints --------------------------------------------------------------------------


def save_other(path: Path, draw: random.Random) -> None:
    torch.save({"network": {}, "history": [draw.random()]}, path)


def flip(path: Path, draw: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 0xFF
    path.write_bytes(content)


SPOILS: dict[str, Callable[[Path, random.Random], object]] = {
    "cut short": lambda path, draw: os.truncate(path, draw.randrange(path.stat().st_size)),
    "a flipped byte": flip,
    "empty": lambda path, draw: path.write_bytes(b""),
    "text": lambda path, draw: path.write_text("<html>", encoding="utf-8"),
    "other content": save_other,
}


def spoil_checkpoints(storm: Storm, count: int) -> Tally:
    """Spoil the newest checkpoint: it is named, and without it the run goes on from the one before.

    A flipped byte that nothing reads may pass; then the run must be as undisturbed.
    """
    tally = Tally("spoiled checkpoints")
    passed = 0
    for number, entry, known in storm.take_entries(count):
        place = storm.new_place("spoiled", number, entry)
        shutil.copytree(known.place.checkpoints, place.checkpoints)
        newest = place.checkpoints / f"epoch-00{storm.draw.randint(2, 4)}.pt"
        for path in place.checkpoints.iterdir():
            if path > newest:
                path.unlink()
        kind = list(SPOILS)[number % len(SPOILS)]
        SPOILS[kind](newest, storm.draw)
        outcome = place.run()
        tally.tried += 1
        if outcome.code == 0:
            passed += 1
        else:
            lines = outcome.err.strip().splitlines()
            named = len(lines) == 1 and str(newest) in lines[0] and "delete it" in lines[0]
            refused = outcome.code == EXIT_UNMEASURED and named
            tally.expect(refused, f"{entry}, {kind}: {outcome.code} {outcome.err[-300:]}")
            newest.unlink()
            outcome = place.run()
        place.check_end(tally, outcome, known.evidence)
        shutil.rmtree(place.folder.parent)
    tally.notes = f"{passed} flipped a byte that nothing reads"
    return tally
