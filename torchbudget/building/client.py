"""What the judge asks of the builder: a zoo as data."""

import contextlib
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load

from torchbudget import errors
from torchbudget.building.artefact import read_network
from torchbudget.building.connection import MEMORY, start_server, stop_server
from torchbudget.building.protocol import ANSWER, LEFT_OUT, OUTPUT
from torchbudget.confinement import Confined
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
GRACE = 30.0
"""Seconds beyond a build's own in which the server must answer."""


@dataclass(frozen=True)
class BuiltZoo:
    """The entries of a zoo file by name, and its networks by key.

    `digests` are by name, of all that the zoo's code gives for an entry: its declaration, and its
    network as captured; there is none of an entry whose network was not asked for. `allowed`
    are the rules of `torchbudget.confinement` that the system did not enforce.
    """

    entries: dict[str, Entry]
    networks: dict[str, BuiltNetwork]
    keys: dict[str, str]
    allowed: tuple[str, ...] = ()
    digests: dict[str, str] = field(default_factory=dict)


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
        "environment": {
            name: os.environ[name] for name in ENVIRONMENT_OF_DATA if name in os.environ
        },
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
                f"built{_last_line(_read_output(folder))}"
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
    return f"{path} ended the process that builds it{_last_line(ended.stderr if ended else b'')}"


def _read_output(folder: Path) -> bytes:
    with contextlib.suppress(OSError):
        return (folder / OUTPUT).read_bytes()
    return b""


def _last_line(output: bytes) -> str:
    lines = output[-2000:].decode("utf-8", "replace").strip().splitlines()
    return f": {lines[-1][:200]}" if lines else ""


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
    return BuiltZoo(entries, networks, keys, digests=_digest_entries(answer, folder))


def _read_network(key: str, head: dict[str, Any], folder: Path) -> BuiltNetwork:
    return read_network(head, *_read_parts(key, folder))


def _read_parts(key: str, folder: Path) -> list[bytes]:
    """Graph and tensors of a network as they were handed over; empty where it was not captured."""
    files = [folder / f"{Path(key).name}.{kind}" for kind in ("json", "safetensors")]
    return [file.read_bytes() if file.is_file() else b"" for file in files]


def _digest_entries(answer: dict[str, Any], folder: Path) -> dict[str, str]:
    """By name the SHA-256 of an entry's declaration and network, and of an ensemble's members."""
    networks = {
        key: [hashlib.sha256(part).hexdigest() for part in _read_parts(key, folder)]
        for key in answer["networks"]
    }
    own = {
        part["name"]: [part | {"network": ""}, answer["networks"][key], networks[key]]
        for part in answer["entries"]
        if (key := part["network"]) != LEFT_OUT
    }
    digests = {}
    for part in answer["entries"]:
        names = [part["name"], *sorted({name for name, _ in part.get("members", ())})]
        if all(name in own for name in names):
            text = json.dumps([own[name] for name in names], sort_keys=True)
            digests[part["name"]] = hashlib.sha256(text.encode()).hexdigest()
    return digests


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
