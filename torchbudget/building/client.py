"""What the judge asks of the builder: a zoo as data."""

import atexit
import contextlib
import functools
import json
import os
import select
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from torchbudget import errors
from torchbudget.building.artefact import read_network
from torchbudget.building.protocol import ANSWER, OUTPUT, PIPES
from torchbudget.confinement import Confined, start_confined
from torchbudget.data.arrays import to_images
from torchbudget.data.images import Dataset, ImageSpec
from torchbudget.data.loading import ENVIRONMENT_OF_DATA
from torchbudget.declare.declaration import History, from_declarations
from torchbudget.declare.entry import Entry
from torchbudget.errors import (
    BuildError,
    DataError,
    DeclarationError,
    NetworkError,
    TorchBudgetError,
    ZooError,
)
from torchbudget.network.captured import BuiltNetwork

SECONDS = 900.0
MEMORY = 8 * 2**30
GRACE = 30.0
"""Seconds beyond a build's own in which the server must answer."""
LIFETIME = 7 * 86_400.0
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
ENVIRONMENT = dict.fromkeys(THREADS, "1") | {"PYTHONHASHSEED": "0"}
START = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from torchbudget.building.server import serve
serve(sys.argv[2])
"""


@dataclass(frozen=True)
class BuiltZoo:
    """The entries of a zoo file by name, and its networks by key.

    `allowed` are the rules of `torchbudget.confinement` that the system did not enforce.
    """

    entries: dict[str, Entry]
    networks: dict[str, BuiltNetwork]
    keys: dict[str, str]
    allowed: tuple[str, ...] = ()


def build_zoo(
    path: Path,
    *,
    data_root: Path | None = None,
    current: Path | None = None,
    entries: Sequence[str] = (),
    histories: Mapping[str, Sequence[History]] | None = None,
    seconds: float = SECONDS,
    memory: int = MEMORY,
) -> BuiltZoo:
    """What the zoo file at `path` declares; its code runs in a process of its own.

    `entries` are those whose networks are wanted, all where none is named; an unknown name is left
    to the caller. `histories` are those of each entry's runs, whose learning rates the recipe is
    asked for. `current` is the folder of today's zoo file, where `path` is one of an earlier
    commit. Raises `ZooError` where the file declares nothing usable, `BuildError` where it ends its
    process or exceeds the limits.
    """
    path = path.resolve()
    if not path.is_file():
        raise ZooError(f"{path} is not a file; --zoo names a Python file that defines ZOO")
    request = {
        "path": str(path),
        "data_root": None if data_root is None else str(data_root.resolve()),
        "current": None if current is None else str(current),
        "entries": list(entries),
        "histories": dict(histories or {}),
    }
    ask = functools.partial(_ask, seconds=seconds, memory=memory)

    def load_foreign(name: str) -> Dataset:
        dataset: Dataset = ask(request | {"images": name}, _read_images)
        return dataset

    zoo: BuiltZoo = ask(request, functools.partial(_read_zoo, load_foreign=load_foreign))
    return replace(zoo, allowed=start_server(memory).allowed)


def _ask(
    request: dict[str, Any],
    read: Callable[[dict[str, Any], Path], Any],
    *,
    seconds: float,
    memory: int,
) -> Any:
    """Build what is requested in a fresh folder, and read it."""
    server = start_server(memory)
    folder = server.make_folder()
    question = request | {"folder": str(folder), "seconds": seconds}
    try:
        reply = server.ask(question, seconds + GRACE)
        if "code" not in reply:
            ended = stop_server(memory)
            raise BuildError(_describe_end(request["path"], reply, ended, seconds, memory))
        if reply["code"] != 0 or not (folder / ANSWER).is_file():
            raise BuildError(
                f"{request['path']} ended its process (exit code {reply['code']}) before it was "
                f"built{_last_line(folder / OUTPUT)}"
            )
        answer = json.loads((folder / ANSWER).read_bytes())
        if "error" in answer:
            raise _to_error(*answer["error"])
        return read(answer, folder)
    except (TypeError, KeyError, ValueError, RecursionError, AttributeError, OSError) as error:
        if isinstance(error, TorchBudgetError):
            raise
        raise BuildError(f"{request['path']} was built into something else: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _describe_end(
    path: str, reply: dict[str, Any], ended: Confined | None, seconds: float, memory: int
) -> str:
    """Why there is no answer to a request."""
    if ended is not None and ended.memory_exceeded:
        return f"{path} took more than {memory / 2**30:g} GiB (--max-memory)"
    if ended is not None and ended.too_many_processes:
        return f"{path} started too many processes"
    if reply.get("timed_out") or (ended is not None and ended.timed_out):
        return f"{path} was not built within {seconds:g} s; it never ends, or --max-seconds is low"
    return f"{path} ended the process that builds it"


def _last_line(output: Path) -> str:
    with contextlib.suppress(OSError):
        lines = output.read_bytes()[-2000:].decode("utf-8", "replace").strip().splitlines()
        return f": {lines[-1][:200]}" if lines else ""
    return ""


def _to_error(kind: str, message: str) -> TorchBudgetError:
    """The error that the builder met, as one of ours."""
    found = getattr(errors, str(kind), ZooError)
    if not (isinstance(found, type) and issubclass(found, TorchBudgetError)):
        found = ZooError
    if found is errors.Unmeasurable:
        found = NetworkError
    return found(str(message))


def _read_zoo(
    answer: dict[str, Any], folder: Path, *, load_foreign: Callable[[str], Dataset]
) -> BuiltZoo:
    entries = from_declarations(answer["entries"], load_foreign)
    networks = {key: _read_network(key, head, folder) for key, head in answer["networks"].items()}
    keys = {part["name"]: part["network"] for part in answer["entries"]}
    if not set(keys.values()) <= set(networks):
        raise DeclarationError("the zoo's declarations name a network that was not built")
    return BuiltZoo(entries, networks, keys)


def _read_network(key: str, head: dict[str, Any], folder: Path) -> BuiltNetwork:
    files = [folder / f"{Path(key).name}.{kind}" for kind in ("json", "safetensors")]
    graph, tensors = (file.read_bytes() if file.is_file() else b"" for file in files)
    return read_network(head, graph, tensors)


def _read_images(answer: dict[str, Any], folder: Path) -> Dataset:
    statistics = {name: tuple(answer[name]) or None for name in ("mean", "std")}
    image = ImageSpec(tuple(answer["shape"]), answer["num_classes"], **statistics)
    name = str(answer["name"])
    try:
        tensors = load((folder / "images.safetensors").read_bytes())
    except (OSError, SafetensorError) as error:
        raise DataError(f"the images of {name} were not handed over: {error}") from error
    train, test = (
        to_images(name, tensors[f"{part}_pixels"], tensors[f"{part}_labels"], image)
        for part in ("train", "test")
    )
    return Dataset(name, train, test)


# --- the server -----------------------------------------------------------------------------------


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
        kept = {name: os.environ[name] for name in ENVIRONMENT_OF_DATA if name in os.environ}
        path = json.dumps([path for path in sys.path if path])
        self._confinement = start_confined(
            [sys.executable, "-P", "-c", START, path, str(self._folder)],
            folder=self._folder,
            seconds=LIFETIME,
            memory=memory,
            environment=ENVIRONMENT | kept,
        )
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


_servers: dict[int, Server] = {}


def start_server(memory: int = MEMORY) -> Server:
    """The server of this process for that limit, started when it is first asked for."""
    if memory not in _servers:
        _servers[memory] = Server(memory)
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
