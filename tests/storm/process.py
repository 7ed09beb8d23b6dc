"""Trainings as forked processes, and the law for the folder that they write in."""

import contextlib
import copy
import importlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import torch

import train
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import Run, read_results
from utils.checkpoint import list_checkpoints

ZOO = Path(__file__).resolve().parent / "zoo.py"
TIMES = ("train_seconds", "total_seconds", "started", "seal")
"""Fields of a record that differ between two runs of one recipe."""
CHANGES = {"open", "os.rename", "os.remove", "os.mkdir"}
"""Audit events before which a process can be stopped."""
WRITING = os.O_WRONLY | os.O_RDWR

IMPORTED_LATE = (
    "jsonargparse",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "torch._dynamo",
    "torchvision.transforms.v2",
)
"""What a training imports on its way, which takes longer than these trainings."""


def prepare_forks() -> None:
    """Import what every training needs, and start no thread: none would survive a fork."""
    torch.set_num_threads(1)
    for name in IMPORTED_LATE:
        importlib.import_module(name)


@dataclass
class Tally:
    """What was tried in an area, what of it broke the law, and what else is counted."""

    area: str
    tried: int = 0
    broke: list[str] = field(default_factory=list)
    reads: int = 0
    notes: str = ""

    def expect(self, held: bool, what: str) -> None:
        if not held:
            self.broke.append(what)


@dataclass(frozen=True)
class Outcome:
    """How a process ended, in how many seconds, and what it printed."""

    code: int
    seconds: float
    out: str
    err: str


def fork(folder: Path, action: Callable[[], int]) -> int:
    """Start `action` in a process whose output goes to files in `folder`; its number."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        for number, name in ((1, "out"), (2, "err")):
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, number)
        code = action()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException as error:
        os.write(2, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(code)


def wait(child: int, folder: Path, began: float) -> Outcome:
    _, status = os.waitpid(child, 0)
    seconds = time.monotonic() - began
    texts = [(folder / name).read_text("utf-8", "replace") for name in ("out", "err")]
    return Outcome(os.waitstatus_to_exitcode(status), seconds, *texts)


class Place:
    """A folder with the zoo file, in which one entry is trained, killed and resumed.

    What was trained in `teacher`, another place, is there from the start.
    """

    def __init__(
        self,
        folder: Path,
        entry: str,
        logs: Path | None = None,
        teacher: "Place | None" = None,
    ) -> None:
        self.entry = entry
        self.folder = folder / "zoo"
        self.logs = logs or folder / "logs"
        self.folder.mkdir(parents=True)
        self.logs.mkdir(parents=True)
        shutil.copy(ZOO, self.folder / "zoo.py")
        if teacher:
            shutil.copy(teacher.folder / "results.json", self.folder)
            shutil.copytree(teacher.weights.parent, self.weights.parent)

    def of(self, entry: str) -> "Place":
        """The same folder, of another entry that is trained there."""
        other = copy.copy(self)
        other.entry = entry
        return other

    @property
    def stem(self) -> str:
        return f"{self.entry}-seed0-mnist_sample"

    @property
    def weights(self) -> Path:
        return self.folder / "weights" / f"{self.stem}.safetensors"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints" / self.stem

    def start(self, prepare: Callable[[], None] = lambda: None) -> int:
        """Train in a process of its own, from the newest checkpoint where there is one."""
        words = [self.entry, "--zoo", str(self.folder / "zoo.py")]
        if list_checkpoints(self.checkpoints):
            words.append("--resume")

        def action() -> int:
            torch.set_num_threads(1)
            prepare()
            return train.main(words)

        return fork(self.logs, action)

    def run(self, prepare: Callable[[], None] = lambda: None) -> Outcome:
        """Train to the end, whatever that is."""
        began = time.monotonic()
        return wait(self.start(prepare), self.logs, began)

    def list_runs(self) -> list[Run]:
        """The runs of the entry that are recorded."""
        runs = read_results(self.folder / "results.json")
        return [run for run in runs if run.entry == self.entry]

    def evidence(self) -> tuple[bytes, str]:
        """The weights, and what the record says but for times."""
        (run,) = self.list_runs()
        plain = msgspec.to_builtins(run)
        for name in TIMES:
            plain.pop(name)
        for epoch in plain["history"]:
            epoch.pop("seconds")
        return self.weights.read_bytes(), json.dumps(plain, sort_keys=True)

    def check_whole(self, tally: Tally, what: str) -> None:
        """At any moment: the record can be read, and what it names is there or is being placed."""
        try:
            runs = self.list_runs()
        except Exception as error:
            tally.broke.append(f"{what}: {error}")
            return
        for run in runs:
            placed = self.weights.is_file() and file_digest(self.weights) == run.digests.weights
            staged = list(self.weights.parent.glob(f".*{run.digests.weights[:16]}*.staged"))
            tally.expect(placed or bool(staged), f"{what}: the record names weights that are gone")

    def check_end(self, tally: Tally, outcome: Outcome, wanted: tuple[bytes, str]) -> None:
        """After the last run: all as undisturbed, and nothing else."""
        what = f"{self.entry}: "
        tally.expect(outcome.code == 0, f"{what}ended with {outcome.code}: {outcome.err[-300:]}")
        if outcome.code:
            return
        weights, record = self.evidence()
        tally.expect(weights == wanted[0], f"{what}other weights than an undisturbed run")
        tally.expect(record == wanted[1], f"{what}another record than an undisturbed run")
        left = [path for path in self.folder.rglob(".*") if path.is_file()]
        tally.expect(not left, f"{what}half-written files stay: {[path.name for path in left]}")


def stop_before(count: int, act: Callable[[], None], folder: Path) -> Callable[[], None]:
    """What makes a process call `act` before its change `count` of the file system in `folder`."""

    def prepare() -> None:
        left = [count]
        busy = [False]

        def watch(event: str, arguments: tuple) -> None:
            if busy[0] or event not in CHANGES or not changes(event, arguments, folder):
                return
            left[0] -= 1
            if left[0] < 0:
                busy[0] = True
                act()
                busy[0] = False

        sys.addaudithook(watch)

    return prepare


def changes(event: str, arguments: tuple, folder: Path) -> bool:
    """Whether an audit event is about to change something in `folder`."""
    path = arguments[0]
    if event == "open":
        flags = arguments[2]
        if not isinstance(flags, int) or not flags & WRITING:
            return False
    return isinstance(path, str | os.PathLike) and str(path).startswith(str(folder))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextlib.contextmanager
def reading(place: Path, tally: Tally) -> Iterator[None]:
    """Meanwhile another process reads the record `place` over and over; its reads are counted."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _read_for_ever(place, writer)
    os.close(writer)
    try:
        yield
    finally:
        os.kill(child, signal.SIGTERM)
        with os.fdopen(reader) as pipe:
            lines = pipe.read().splitlines()
        os.waitpid(child, 0)
        tally.reads += int(lines[-1]) if lines else 0
        tally.broke += lines[:-1]


def _read_for_ever(place: Path, writer: int) -> None:
    running = [True]
    signal.signal(signal.SIGTERM, lambda *_: running.clear())
    count = 0
    with os.fdopen(writer, "w") as pipe:
        while running:
            try:
                read_results(place)
                count += 1
            except Exception as error:
                pipe.write(f"a reader met: {error}\n")
            time.sleep(0.002)
        pipe.write(f"{count}\n")
    os._exit(0)


def random_moment(draw: random.Random, seconds: float) -> float:
    return draw.uniform(0.0, seconds)
