"""The law, and how an area of inputs is held to it."""

import contextlib
import hashlib
import io
import random
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from torchbudget.errors import TorchBudgetError
from torchbudget.report.text import as_one_line

CODES = (0, 1, 2, 3)
MAX_SHOWN = 5


@dataclass
class Outcome:
    """How many inputs of an area were tried, and what the law says of those that broke it."""

    area: str
    tried: int = 0
    refused: int = 0
    broke: list[str] = field(default_factory=list)


@dataclass
class Bench:
    """A folder of inputs, and the canary that code in an input would leave in it."""

    folder: Path
    draw: random.Random

    @property
    def canary(self) -> Path:
        return self.folder / "canary"

    def digest(self) -> str:
        """SHA-256 of all files in `inputs/`."""
        digest = hashlib.sha256()
        for path in sorted((self.folder / "inputs").rglob("*")):
            if path.is_file():
                digest.update(f"{path}{len(path.read_bytes())}".encode())
                digest.update(path.read_bytes())
        return digest.hexdigest()


Attempt = tuple[Path | None, Callable[[], object], str]
"""The file that an error must name (None for none), what reads it, and the input in words."""


def try_inputs(area: str, attempts: Iterator[Attempt], bench: Bench, count: int) -> Outcome:
    """Hold the first `count` attempts of an area to the law."""
    outcome = Outcome(area)
    for path, read, words in attempts:
        if outcome.tried == count:
            break
        outcome.tried += 1
        before = bench.digest()
        problem, refused = find_fault(path, read)
        outcome.refused += refused
        if bench.canary.exists():
            problem = "ran code of the input"
            bench.canary.rmdir() if bench.canary.is_dir() else bench.canary.unlink()
        elif bench.digest() != before:
            problem = "changed an input"
        if problem:
            outcome.broke.append(f"{words}: {problem}")
    return outcome


def find_fault(path: Path | None, read: Callable[[], object]) -> tuple[str, bool]:
    """How an input breaks the law, "" where it does not, and whether it was refused."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    err = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = read()
    except TorchBudgetError as error:
        if path is not None and path.name not in str(error):
            return f"an error that does not name the file: {error}", True
        line = as_one_line(str(error))
        return ("" if line.isprintable() else f"unprintable: {error!r}"), True
    except SystemExit as error:
        return ("" if error.code == 0 else f"SystemExit({error.code})"), False
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__}: {error} at {place.filename}:{place.lineno}"[:300], False
    if not isinstance(code, int) or isinstance(code, bool):
        return "", False
    return find_fault_of_command(code, _text(out), _text(err)), code != 0


def find_fault_of_command(code: int, out: str, err: str) -> str:
    """How what a command printed breaks the law."""
    if code not in CODES:
        return f"exit code {code}"
    lines = err.splitlines()
    pictures = [line for line in lines if line.startswith("predict.py: ")]  # a line for each
    if "Traceback" in err or (code > 1 and len(lines) > max(len(pictures), 1)):
        return f"stderr of {len(lines)} lines: {err[:300]!r}"
    if code == 2 and not err:
        return "no word on stderr"
    for line in out.split("\n") + err.split("\n"):
        if line.lstrip().startswith("::") or "##[" in line or "\x1b" in line or "\r" in line:
            return f"a command to a terminal or a workflow: {line[:200]!r}"
    return ""


def _text(stream: io.TextIOWrapper) -> str:
    with contextlib.suppress(ValueError):
        stream.flush()
    raw = stream.buffer.getvalue()  # type: ignore[attr-defined]
    return raw.decode("utf-8", "backslashreplace")
