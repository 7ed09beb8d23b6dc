"""Start a confined process, watch it, and end it with all that it started."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from torchbudget.confinement import tree
from torchbudget.confinement.environment import scrub_environment
from torchbudget.confinement.rules import MAX_PROCESSES, RULES, list_allowed, parse_report
from torchbudget.errors import TorchBudgetError, UsageError

MAX_OUTPUT = 2**20
"""Bytes of each output stream that are kept; what follows is read and dropped."""

TICK = 0.1
"""Seconds between two looks at the memory."""

TICKS_PER_LOOK_AT_FILES = 5

PATIENCE = 5.0
"""Seconds that a process which has told its end may take to be gone."""

KILLED = -9
"""The return code of a process that met a limit."""

MAX_BYTES = 2**60
"""The largest limit that the system's calls take; a higher one is none."""

PACKAGE = Path(__file__).resolve().parent

HAS_LAUNCHER = sys.platform != "win32"
"""Whether a process can be confined before it becomes the command: Windows knows no fork."""

START = """
import sys, types
for name, folder in (("torchbudget", {root!r}), ("torchbudget.confinement", {package!r})):
    package = types.ModuleType(name)
    package.__path__ = [folder]
    sys.modules[name] = package
from torchbudget.confinement import launcher
launcher.main()
"""
"""Starts the launcher without the `__init__` of its packages, which import more than it needs."""


@dataclass(frozen=True)
class Confined:
    """How a confined process ended.

    `returncode` is negative for a signal, as in `subprocess`. `memory_exceeded` says that its
    processes' memory, or the files that it wrote, passed the limit; `too_many_processes` that more
    than `MAX_PROCESSES` lived at once. `stdout` and `stderr` are cut at `MAX_OUTPUT` bytes.
    `forbidden` and `allowed` part `RULES` by what the system forbade.
    """

    returncode: int
    timed_out: bool
    memory_exceeded: bool
    too_many_processes: bool
    stdout: bytes
    stderr: bytes
    forbidden: tuple[str, ...]
    allowed: tuple[str, ...]


class _Reader(threading.Thread):
    """A thread that reads a stream to its end and keeps the first `MAX_OUTPUT` bytes."""

    def __init__(self, stream: IO[bytes]) -> None:
        super().__init__(daemon=True)
        self._stream = stream
        self.kept = b""
        self.start()

    def run(self) -> None:
        with self._stream:
            while chunk := os.read(self._stream.fileno(), 2**16):
                self.kept += chunk[: MAX_OUTPUT - len(self.kept)]

    def read(self) -> bytes:
        """Return what was kept; wait a little for the end of the stream."""
        self.join(timeout=2.0)
        return self.kept


class Confinement:
    """A confined process that runs; as a context it is always ended, with all that it started.

    A thread of its own watches it, so that its limits hold whatever the caller does meanwhile.
    Use `start_confined` to make one.
    """

    def __init__(
        self,
        command: list[str],
        *,
        folder: Path,
        working_folder: Path,
        seconds: float,
        memory: int,
        environment: dict[str, str],
        withheld: Collection[str],
    ) -> None:
        self._folder = folder
        self._seconds = seconds
        self._memory = memory
        self._deadline = time.monotonic() + seconds
        self._to_end = threading.Event()
        self._timed_out = False
        self._memory_exceeded = False
        self._too_many_processes = False
        self._lifeline: int | None = None
        self._report: _Reader | None = None
        options: dict[str, Any] = {}
        if HAS_LAUNCHER:
            ends = os.pipe()
            report = os.pipe()
            self._lifeline = ends[1]
            settings = [folder, working_folder, memory, report[1], ends[0], ",".join(withheld)]
            start = START.format(root=str(PACKAGE.parent), package=str(PACKAGE))
            words = [str(setting) for setting in settings]
            command = [sys.executable, "-I", "-S", "-c", start, *words, *command]
            options = {"pass_fds": (ends[0], report[1]), "start_new_session": True}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=working_folder,
            env=environment,
            **options,
        )
        assert self._process.stdout is not None and self._process.stderr is not None
        self._stdout = _Reader(self._process.stdout)
        self._stderr = _Reader(self._process.stderr)
        if HAS_LAUNCHER:
            os.close(ends[0])
            os.close(report[1])
            self._report = _Reader(os.fdopen(report[0], "rb"))
        self._watch = threading.Thread(target=self._watch_process, daemon=True)
        self._watch.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.end()

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._watch.is_alive()

    @property
    def allowed(self) -> tuple[str, ...]:
        """The rules that the system does not enforce; all of them before the command runs."""
        return list_allowed(parse_report(self._report.kept if self._report else b""))

    def end(self) -> None:
        """Kill the process and all that it started; do nothing where it has ended."""
        self._to_end.set()
        self._watch.join()

    def wait(self) -> Confined:
        """Wait until the process has ended or met a limit; return how.

        Raises `TorchBudgetError` where it could not be started.
        """
        self._watch.join()
        report = self._read_report()
        allowed = list_allowed(report)
        ended_by_us = self._timed_out or self._memory_exceeded or self._too_many_processes
        stderr = self._stderr.read()
        if "error" in report or ("forbidden" not in report and not ended_by_us):
            reason = report.get("error") or stderr.decode(errors="replace").strip()[-500:]
            raise TorchBudgetError(f"a confined process could not be started: {reason!r}")
        status = int(report.get("status", self._process.returncode))
        return Confined(
            returncode=KILLED if ended_by_us else status,
            timed_out=self._timed_out,
            memory_exceeded=self._memory_exceeded,
            too_many_processes=self._too_many_processes,
            stdout=self._stdout.read(),
            stderr=stderr,
            forbidden=tuple(rule for rule in RULES if rule not in allowed),
            allowed=allowed,
        )

    def _read_report(self) -> dict[str, str]:
        """Return what the launcher told, its lines merged; without a launcher nothing is forbidden.

        The command cannot write there: it is executed without the pipe.
        """
        if self._report is None:
            return {"forbidden": ""}
        return parse_report(self._report.read())

    def _watch_process(self) -> None:
        tick = 0
        while not self._wait_briefly():
            if self._to_end.is_set() or self._meets_limit(tick):
                break
            tick += 1
        self._end_all()

    def _wait_briefly(self) -> bool:
        """Wait for a tick, or until the deadline or the process's end; return whether it ended."""
        seconds = max(0.0, min(TICK, self._deadline - time.monotonic()))
        if self._report is not None:
            self._report.join(seconds)
            return not self._report.is_alive()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def _meets_limit(self, tick: int) -> bool:
        """Return whether a limit is met, and note which."""
        processes = tree.glance_at_descendants(self._process.pid)
        held = tree.measure_memory(processes, self._memory)
        if tick % TICKS_PER_LOOK_AT_FILES == 0:
            held = max(held, tree.measure_files(str(self._folder), processes))
        self._memory_exceeded = held > self._memory
        self._too_many_processes = len(processes) > MAX_PROCESSES
        self._timed_out = time.monotonic() >= self._deadline
        return self._memory_exceeded or self._too_many_processes or self._timed_out

    def _end_all(self) -> None:
        """Kill what still runs; the launcher is stopped first, so that it starts nothing more."""
        if self._report is not None and self._report.is_alive():
            self._process.send_signal(signal.SIGSTOP)
            tree.kill_descendants(self._process.pid)
        if self._report is None or self._report.is_alive():
            self._process.kill()
        try:
            self._process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if HAS_LAUNCHER and sys.platform != "linux":
            # No descendants can be listed there; most stay in the launcher's group.
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        if self._lifeline is not None:
            os.close(self._lifeline)


def start_confined(
    command: list[str],
    *,
    folder: Path,
    readable_cwd: Path | None = None,
    seconds: float,
    memory: int,
    environment: dict[str, str] | None = None,
    without: Collection[str] = (),
) -> Confinement:
    """Start `command` where it can harm nothing but `folder`, and return at once.

    Args:
        command: The program and its arguments.
        folder: The only folder that it may write; made if missing. HOME and TMPDIR lie in it.
        readable_cwd: Its working folder, which it may only read; one inside `folder` by default.
        seconds: The time that it may take, by the clock, from now on.
        memory: The bytes that all its processes may hold together, and also all their files.
        environment: Variables besides those of `PASSED_ON`.
        without: Means not to use, of "namespaces", "landlock" and "filter".

    Raises `UsageError` where `seconds` or `memory` is no positive, finite number.
    """
    for name, value in (("seconds", seconds), ("memory", memory)):
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"{name} must be a positive, finite number, not {value!r}")
    for name in ("home", "tmp", "work"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    return Confinement(
        command,
        folder=folder,
        working_folder=folder / "work" if readable_cwd is None else readable_cwd.resolve(),
        seconds=seconds,
        memory=min(int(memory), MAX_BYTES),
        environment=scrub_environment(folder) | (environment or {}),
        withheld=without,
    )


def run_confined(
    command: list[str],
    *,
    folder: Path,
    readable_cwd: Path | None = None,
    seconds: float,
    memory: int,
    environment: dict[str, str] | None = None,
    without: Collection[str] = (),
) -> Confined:
    """Start `command` by `start_confined`, wait, and return how it ended; nothing lives on."""
    confinement = start_confined(
        command,
        folder=folder,
        readable_cwd=readable_cwd,
        seconds=seconds,
        memory=memory,
        environment=environment,
        without=without,
    )
    with confinement:
        return confinement.wait()
