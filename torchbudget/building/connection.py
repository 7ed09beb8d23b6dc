"""The connection to the server that builds zoo files.

The server imports torch, which takes as long as the judge's own import of it. So this module
imports neither torch nor numpy: a command starts the server first, and both import at once.
"""

import atexit
import json
import os
import select
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from torchbudget.building.protocol import OUTPUT, PIPES, REQUEST
from torchbudget.confinement import Confined, Confinement, start_confined

MEMORY = 8 * 2**30
LIFETIME = 7 * 86_400.0
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
"""What libraries read when they are loaded; later calls do not reach all of them."""


def thread_variables(threads: int) -> dict[str, str]:
    """The environment that a process of so many threads starts with."""
    return dict.fromkeys(THREADS, str(threads))


ENVIRONMENT = thread_variables(1) | {"PYTHONHASHSEED": "0"}
START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from torchbudget.heap import importing_torch
with importing_torch():
    from torchbudget.building.{module} import {function}
{function}(sys.argv[2])
"""
CAN_FORK = hasattr(os, "fork") and hasattr(os, "mkfifo")
"""Whether one process can stand ready and fork others; Windows starts a fresh one each time."""


class Server:
    """The confined process that forks a process for each zoo file.

    Both sides speak through two named pipes in its folder; it may write nowhere else.
    """

    def __init__(self, memory: int) -> None:
        self._place = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._folder = Path(self._place.name).resolve()
        pipes = [self._folder / name for name in PIPES]
        for pipe in pipes:
            os.mkfifo(pipe, 0o600)
        # Opened for both, so that neither side waits for the other to open its end.
        self._requests, self._replies = (os.open(pipe, os.O_RDWR) for pipe in pipes)
        self._confinement = _start("server", "serve", self._folder, LIFETIME, memory)
        self._received = b""

    @property
    def allowed(self) -> tuple[str, ...]:
        """The rules that the system does not enforce on the server and what it forks."""
        return self._confinement.allowed

    def make_folder(self) -> Path:
        """A folder for one build."""
        return Path(tempfile.mkdtemp(dir=self._folder))

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """The server's reply; {} where it ended or is `seconds` late. Requests come in turn."""
        os.write(self._requests, json.dumps(request).encode() + b"\n")
        end = time.monotonic() + seconds
        while b"\n" not in self._received:
            ready, _, _ = select.select([self._replies], [], [], 0.2)
            if ready:
                self._received += os.read(self._replies, 1 << 16)
            elif not self._confinement.is_alive() or time.monotonic() > end:
                return {}
        line, _, self._received = self._received.partition(b"\n")
        reply = json.loads(line)
        return reply if isinstance(reply, dict) else {}

    def close(self) -> Confined:
        """End the server with all that it forked; return how it ended."""
        self._confinement.end()
        for pipe in (self._requests, self._replies):
            os.close(pipe)
        confined = self._confinement.wait()
        self._place.cleanup()
        return confined


class FreshBuilds:
    """In place of a server, where no process can fork: each build starts Python and torch anew."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._place = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        self._ended: Confined | None = None

    @property
    def allowed(self) -> tuple[str, ...]:
        """The rules that the system did not enforce on the last build."""
        return self._ended.allowed if self._ended else ()

    def make_folder(self) -> Path:
        """A folder for one build."""
        return Path(tempfile.mkdtemp(dir=Path(self._place.name).resolve()))

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        """How the build ended; {} where it met a limit. Its own seconds are in the request."""
        folder = Path(request["folder"])
        (folder / REQUEST).write_text(json.dumps(request), encoding="utf-8")
        own = request["seconds"]
        with _start("builder", "answer_alone", folder, own, self._memory) as confinement:
            self._ended = confinement.wait()
        (folder / OUTPUT).write_bytes(self._ended.stdout + self._ended.stderr)
        limits = (self._ended.timed_out, self._ended.memory_exceeded)
        return {} if any(limits) else {"code": self._ended.returncode}

    def close(self) -> Confined | None:
        """Remove what is left; return how the last build ended."""
        self._place.cleanup()
        return self._ended


def _start(module: str, function: str, folder: Path, seconds: float, memory: int) -> Confinement:
    """Call a function of this package on `folder` in a confined process, which imports as this one.

    It may write nowhere else.
    """
    imported_from = json.dumps([os.path.abspath(path) for path in sys.path])
    program = START.format(module=module, function=function)
    return start_confined(
        [sys.executable, "-P", "-c", program, imported_from, str(folder)],
        folder=folder,
        seconds=seconds,
        memory=memory,
        environment=ENVIRONMENT,
    )


_servers: dict[int, Server | FreshBuilds] = {}


def start_server(memory: int = MEMORY) -> Server | FreshBuilds:
    """The server of this process for that limit, started when it is first asked for."""
    if memory not in _servers:
        _servers[memory] = Server(memory) if CAN_FORK else FreshBuilds(memory)
    return _servers[memory]


def stop_server(memory: int) -> Confined | None:
    """End the server, so that the next build starts another; None where there is none."""
    server = _servers.pop(memory, None)
    return None if server is None else server.close()


@atexit.register
def stop_servers() -> None:
    """End all servers of this process."""
    for memory in list(_servers):
        stop_server(memory)
