"""Engines: what does jobs. Here is the one of this machine, whose workers are processes.

An engine takes jobs while it has room and gives their events. It knows nothing of what a job is
for: retries, records and studies are its caller's. `utils/engine_ray.py` is the other engine.
"""

import contextlib
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from torchbudget.building.connection import thread_variables
from torchbudget.command import SIGNALS
from utils.events import (
    Answer,
    Done,
    Failed,
    Happened,
    Lost,
    Order,
    Stopped,
    read_event,
    write_line,
)
from utils.jobs import TOOLKIT, Job

WORKER = TOOLKIT / "worker.py"
"""The program that does the jobs; it stands above this package, so it is named, not imported."""
SECONDS_TO_END = 10.0
"""In which a worker that is told to end must have ended; then it is killed."""
ENDINGS = (Done, Stopped, Failed, Lost)


class Engine(Protocol):
    """Does jobs, and tells how it goes."""

    @property
    def room(self) -> int:
        """How many more jobs it would take up at once."""
        ...

    def submit(self, job: Job, folder: Path) -> None:
        """Begin a job, whose checkpoints and result are in `folder`."""
        ...

    def wait(self, seconds: float) -> Happened | None:
        """The next event; None where none comes in that time."""
        ...

    def answer(self, job: str, go_on: bool) -> None:
        """Whether a trial that has told of an epoch is to go on."""
        ...

    def close(self) -> None:
        """End all jobs in hand, and whatever was started for them."""
        ...


class WorkerProcess:
    """A process of `worker.py`: one job at a time, many in its life."""

    def __init__(self, threads: int, happened: Callable[["WorkerProcess", bytes], None]) -> None:
        self.job = ""
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115
        self.process = subprocess.Popen(
            [sys.executable, str(WORKER)],
            env=os.environ | thread_variables(threads),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            start_new_session=True,  # Ctrl-C is for the program that started it
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
        )
        self.reader = threading.Thread(target=self._read, args=(happened,), daemon=True)
        self.reader.start()

    def _read(self, happened: Callable[["WorkerProcess", bytes], None]) -> None:
        """Pass on each line of the worker, and b"" when it has ended."""
        for line in self.process.stdout:
            if line.endswith(b"\n"):  # a line that is cut short is no event
                happened(self, line)
        self.process.wait()
        happened(self, b"")

    def tell(self, message: Order | Answer) -> None:
        """Write to the worker; that it has died is noticed by what it does not say."""
        with contextlib.suppress(OSError):
            self.process.stdin.write(write_line(message))
            self.process.stdin.flush()

    def describe_end(self) -> str:
        """How the process ended: the signal, or the last line on its stderr."""
        code = self.process.returncode
        if code < 0:
            return f"killed by {signal.Signals(-code).name}"
        self.errors.seek(0)
        lines = self.errors.read().decode(errors="replace").split("\n")
        last = ["", *filter(None, map(str.strip, lines))][-1]
        return f"ended with exit code {code}: {last}"

    def close(self, deadline: float) -> None:
        """Wait until the process has ended, and kill it at `deadline`."""
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.process.wait()
        self.reader.join()
        for stream in (self.process.stdin, self.process.stdout, self.errors):
            with contextlib.suppress(OSError):
                stream.close()


class LocalEngine:
    """At most `num_jobs` workers on this machine, each of `threads` threads."""

    def __init__(self, num_jobs: int, threads: int) -> None:
        self.num_jobs = num_jobs
        self.threads = threads
        self.workers: list[WorkerProcess] = []
        self.happened: queue.Queue[tuple[WorkerProcess, bytes]] = queue.Queue()

    @property
    def room(self) -> int:
        return self.num_jobs - sum(bool(worker.job) for worker in self.workers)

    def submit(self, job: Job, folder: Path) -> None:
        worker = next((worker for worker in self.workers if not worker.job), None)
        if worker is None:
            worker = WorkerProcess(self.threads, lambda *event: self.happened.put(event))
            self.workers.append(worker)
        worker.job = job.name
        worker.tell(Order(job=job, folder=str(folder.resolve())))

    def wait(self, seconds: float) -> Happened | None:
        try:
            worker, line = self.happened.get(timeout=seconds)
        except queue.Empty:
            return None
        if not line:
            return self._bury(worker)
        event = read_event(line)
        if isinstance(event, ENDINGS):
            worker.job = ""
        return event

    def _bury(self, worker: WorkerProcess) -> Lost | None:
        """Forget a worker that has ended; the loss of its job, if it had one."""
        self.workers.remove(worker)
        why = worker.describe_end()
        worker.close(0)
        return Lost(job=worker.job, why=why) if worker.job else None

    def answer(self, job: str, go_on: bool) -> None:
        for worker in self.workers:
            if worker.job == job:
                worker.tell(Answer(go_on=go_on))

    def close(self) -> None:
        with shielded():
            for worker in self.workers:
                worker.process.terminate()
            deadline = time.monotonic() + SECONDS_TO_END
            for worker in self.workers:
                worker.close(deadline)
            self.workers.clear()


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Meanwhile no signal interrupts: a second Ctrl-C would leave processes behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    known = {number: handler for number, handler in before.items() if handler is not None}
    for number in known:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in known.items():
            signal.signal(number, handler)
