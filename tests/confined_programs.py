"""Programs run confined, for the tests of `torchbudget.confinement`."""

import os
import sys
from itertools import combinations
from pathlib import Path

import pytest

from torchbudget.confinement import Confined, run_confined

MEGABYTE = 2**20
MEANS = ("namespaces", "landlock", "filter")
WITHHELD = [names for number in range(4) for names in combinations(MEANS, number)]
"""Every choice of means to withhold; the last one withholds all."""

IDLE = [sys.executable, "-I", "-S", "-c", "import time; time.sleep(60)"]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="the means are Linux's")


def run_program(
    program: str,
    folder: Path,
    *words: object,
    seconds: float = 20.0,
    megabytes: int = 1024,
    without: tuple[str, ...] = (),
) -> Confined:
    """Run `program`, Python's, confined to `folder`."""
    command = [sys.executable, "-I", "-S", "-c", program, *(str(word) for word in words)]
    return run_confined(
        command,
        folder=folder,
        seconds=seconds,
        memory=megabytes * MEGABYTE,
        without=without,
    )


def list_living(word: Path) -> list[Path]:
    """Return the folders in /proc of the processes that have `word` in their command line."""
    marker = os.fsencode(word)
    return [path for path in Path("/proc").glob("[0-9]*/cmdline") if marker in read_quietly(path)]


def read_quietly(path: Path) -> bytes:
    """Return the bytes of a file of /proc, none where its process is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
