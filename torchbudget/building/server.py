"""A process that has imported torch and forks another for each zoo file to build.

It reads requests from a named pipe, a line of JSON each, and answers each with a line in another.
It runs no code of a zoo itself.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from torchbudget.building.builder import answer, capture_example, limit_threads
from torchbudget.building.protocol import OUTPUT, PIPES, Request
from torchbudget.confinement import kernel, launcher, tree


def serve(folder: str) -> None:
    """Answer the requests that come through the pipes in `folder`, until the process is ended."""
    limit_threads()
    capture_example()
    wakeup = launcher.watch_children()
    requests, replies = (Path(folder) / name for name in PIPES)
    with requests.open(encoding="utf-8") as lines, replies.open("w", encoding="utf-8") as answers:
        for line in lines:
            request = json.loads(line)
            reply = build_apart(request, request.pop("seconds"), wakeup)
            tree.kill_descendants(os.getpid())
            answers.write(json.dumps(reply) + "\n")
            answers.flush()


def build_apart(request: dict[str, Any], seconds: float, wakeup: int) -> dict[str, Any]:
    """Build in a forked process, which may take so long; say how it ended.

    Something is written to `wakeup` when a child ends.
    """
    pid = os.fork()
    if pid == 0:
        _build(request)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return {"code": os.waitstatus_to_exitcode(status)}
        if select.select([wakeup], [], [], left)[0]:
            os.read(wakeup, 4096)
    tree.kill_descendants(os.getpid())
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return {"timed_out": True}


def _build(request: dict[str, Any]) -> None:
    """In the forked process: build, and end."""
    code = 1
    try:
        launcher.stop_watching_children()
        folder = Path(request["folder"])
        output = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.closerange(3, 256)
        home = folder / "home"
        home.mkdir()
        os.environ["HOME"] = os.environ["TMPDIR"] = str(home)
        os.chdir(home)
        with contextlib.suppress(OSError, AttributeError):
            kernel.adopt_orphans()  # so that what outlives its parent can be found and ended
        answer(Request(**request))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
