"""Runs a zoo file, and captures its networks, each in a process of its own.

All of this happens in the process that the server forked for the zoo file. What a network's code
does to its process is gone with it; what it leaves running is ended before anything is written.
"""

import contextlib
import io
import json
import os
import selectors
import signal
import struct
import sys
import time
import traceback
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn

from torchbudget.building.artefact import pack_network
from torchbudget.building.protocol import ANSWER, LEFT_OUT, REQUEST, Request
from torchbudget.confinement import tree
from torchbudget.data.images import ImageSpec
from torchbudget.data.loading import load_dataset
from torchbudget.declare.declaration import to_declaration
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.zoofile import load_first_version, load_zoo
from torchbudget.errors import DataError, NetworkError, TorchBudgetError
from torchbudget.network.capture import capture
from torchbudget.network.ensemble import count_members, identify
from torchbudget.network.hidden import late_tensors
from torchbudget.network.trace import build, runs_at_all

SECONDS = 120.0
"""What a network may take to be captured."""
JOBS = max(1, min(4, os.cpu_count() or 1))


def answer(request: Request) -> None:
    """Build what is asked for and write it into the request's folder, `answer.json` last."""
    folder = Path(request.folder)
    os.environ |= request.environment
    try:
        path = Path(request.path)
        zoo = load_first_version(path, Path(request.current)) if request.current else load_zoo(path)
        if request.images is not None:
            files, found = _load_images(zoo[request.images], request)
        else:
            files, found = _build(zoo, request)
    except TorchBudgetError as error:
        files, found = {}, {"error": [type(error).__name__, str(error)]}
    tree.kill_descendants(os.getpid())
    for name, content in files.items():
        _write(folder / name, content)
    _write(folder / ANSWER, json.dumps(found).encode())


def answer_alone(folder: str) -> None:
    """Build what the file in `folder` requests, in a process that was started for it."""
    limit_threads()
    request = json.loads((Path(folder) / REQUEST).read_bytes())
    del request["seconds"]
    answer(Request(**request))


def _write(path: Path, content: bytes) -> None:
    """Write a file that nobody has made beforehand."""
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    with path.open("xb") as file:
        file.write(content)


def _load_images(entry: Entry, request: Request) -> tuple[dict[str, bytes], dict[str, Any]]:
    """An entry's data set, which a function of the zoo's own loads."""
    root = Path(request.data_root) if request.data_root else None
    dataset = load_dataset(entry.data, root, Path(request.path).resolve().parent)
    image = dataset.image
    tensors = {
        "train_pixels": dataset.train.pixels,
        "train_labels": dataset.train.labels,
        "test_pixels": dataset.test.pixels,
        "test_labels": dataset.test.labels,
    }
    plain = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    form = {
        "name": dataset.name,
        "shape": list(image.shape),
        "num_classes": image.num_classes,
        "mean": list(image.mean or ()),
        "std": list(image.std or ()),
    }
    return {"images.safetensors": save(plain)}, form


# --- the zoo --------------------------------------------------------------------------------------


def _build(zoo: dict[str, Entry], request: Request) -> tuple[dict[str, bytes], dict[str, Any]]:
    makers: dict[tuple[Hashable, ...], Callable[[], nn.Module]] = {}
    images: dict[tuple[Hashable, ...], ImageSpec] = {}
    keys: dict[str, str] = {}
    names: dict[tuple[Hashable, ...], str] = {}
    faults: dict[str, Any] = {}
    wanted = _select(zoo, request.entries)
    for entry in zoo.values():
        if entry.name not in wanted:
            keys[entry.name] = LEFT_OUT
            continue
        try:
            image = _find_image(entry, request)
        except DataError as error:
            keys[entry.name] = f"none-{len(keys)}"
            faults[keys[entry.name]] = _fault(str(error), entry.data.advice)
            continue
        key = (identify(entry.network), image.shape, image.num_classes)
        if key not in names:
            names[key] = f"network-{len(names)}"
            makers[key] = entry.network
            images[key] = image
        keys[entry.name] = names[key]
    work = [
        Work(names[key], lambda key=key: capture_network(makers[key], images[key]))  # type: ignore[misc]
        for key in sorted(names, key=lambda key: -count_members(makers[key]))  # the longest first
    ]
    files: dict[str, bytes] = {}
    for name, (head, graph, tensors) in run_apart(work).items():
        faults[name] = head
        if graph:
            files[f"{name}.json"] = graph
            files[f"{name}.safetensors"] = tensors
    if LEFT_OUT in keys.values():
        faults[LEFT_OUT] = _fault("the network was not asked for", "name the entry")
    declared = [
        to_declaration(
            entry,
            keys[entry.name],
            request.histories.get(entry.name, ()) if entry.name in wanted else (),
        )
        for entry in zoo.values()
    ]
    return files, {"entries": declared, "networks": faults}


def _select(zoo: dict[str, Entry], names: Sequence[str]) -> set[str]:
    """The entries whose networks are built: those named and their members, or all."""
    selected = set(names) or set(zoo)
    for name in list(selected):
        entry = zoo.get(name)
        if isinstance(entry, Ensemble):
            selected |= {member.name for member, _ in entry.member_runs}
    return selected


def _find_image(entry: Entry, request: Request) -> ImageSpec:
    if entry.data.image:
        return entry.data.image
    root = Path(request.data_root) if request.data_root else None
    return load_dataset(entry.data, root, Path(request.path).resolve().parent).image


REMEDY = "mend the network, so that it is built and runs on images without ending its process"


def _fault(error: str, remedy: str, runs: bool = False) -> dict[str, Any]:
    """Why a network was not captured, and whether its own forward runs."""
    return {"error": error, "remedy": remedy, "runs": runs}


Payload = tuple[dict[str, Any], bytes, bytes]
"""What is known of a network, its graph and its tensors; no bytes where it was not captured."""


def capture_network(make: Callable[[], nn.Module], image: ImageSpec) -> Payload:
    """The network, or why it cannot be captured."""
    try:
        network = build(make)
    except NetworkError as error:
        remedy = "mend the network, so that it can be built without arguments"
        return _fault(str(error), remedy), b"", b""
    late: list[str] = []
    with contextlib.suppress(Exception):  # what does not run is said by the capture
        late = late_tensors(network, image)
    try:
        graph, tensors = pack_network(capture(lambda: build(make), image))
    except NetworkError as error:
        remedy = (
            f"write forward with tensor operations on images {image.describe()}, "
            "their order independent of pixel values"
        )
        fault = _fault(str(error), remedy, runs_at_all(build(make), image))
        return fault | {"late": late}, b"", b""
    return {"late": late}, graph, tensors


# --- processes ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Work:
    """Something to compute in a process of its own, by its name."""

    name: str
    run: Callable[[], Payload]


def run_apart(work: list[Work], seconds: float = SECONDS) -> dict[str, Payload]:
    """What each piece of work gives, run in forked processes, a few at once.

    One that ends, crashes or takes longer than `seconds` gives an error, and touches no other.
    Where the system has no fork, all run here.
    """
    if not hasattr(os, "fork"):
        return {part.name: part.run() for part in work}
    results: dict[str, Payload] = {}
    waiting = list(work)
    running: dict[int, _Child] = {}
    with selectors.DefaultSelector() as selector:
        while waiting or running:
            while waiting and len(running) < JOBS:
                child = _start(waiting.pop(0))
                running[child.pipe] = child
                selector.register(child.pipe, selectors.EVENT_READ)
            first = min(child.started for child in running.values()) + seconds
            for key, _ in selector.select(max(0.0, first - time.monotonic())):
                child = running[key.fd]
                part = os.read(child.pipe, 1 << 20)
                child.received += part
                if not part or child.is_whole():
                    selector.unregister(child.pipe)
                    results[child.name] = running.pop(child.pipe).finish()
            for child in list(running.values()):
                if time.monotonic() - child.started > seconds:
                    selector.unregister(child.pipe)
                    running.pop(child.pipe).finish()
                    reason = f"the network was not built and run within {seconds:g} s"
                    results[child.name] = (_fault(reason, REMEDY), b"", b"")
    return results


@dataclass
class _Child:
    name: str
    pid: int
    pipe: int
    started: float
    received: bytearray

    def is_whole(self) -> bool:
        """Whether all is there, even if something that it started still holds the pipe."""
        if len(self.received) < HEAD.size:
            return False
        sizes: tuple[int, ...] = HEAD.unpack_from(self.received)
        return len(self.received) >= HEAD.size + sum(sizes)

    def finish(self) -> Payload:
        """End the process with all that it started, and read what it sent."""
        os.close(self.pipe)
        for kill, target in ((os.killpg, self.pid), (os.kill, self.pid)):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(target, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        try:
            return _split(bytes(self.received))
        except (ValueError, struct.error):
            reason = f"the network's code ended the process ({_describe_end(status)})"
            return _fault(reason, REMEDY), b"", b""


def _describe_end(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _start(work: Work) -> _Child:
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        try:
            os.setpgid(0, 0)
            _send(writer, _join(*work.run()))
        except BaseException as error:
            traceback.print_exc()
            reason = f"the network cannot be captured: {type(error).__name__}: {error}"
            _send(writer, _join(_fault(reason[:500], REMEDY), b"", b""))
        finally:
            os._exit(0)
    os.close(writer)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.setpgid(pid, pid)
    return _Child(work.name, pid, reader, time.monotonic(), bytearray())


def _send(pipe: int, content: bytes) -> None:
    with io.FileIO(pipe, "wb", closefd=False) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]


HEAD = struct.Struct("<QQQ")


def _join(head: dict[str, Any], graph: bytes, tensors: bytes) -> bytes:
    text = json.dumps(head).encode()
    return HEAD.pack(len(text), len(graph), len(tensors)) + text + graph + tensors


def _split(content: bytes) -> Payload:
    sizes = HEAD.unpack_from(content)
    if len(content) != HEAD.size + sum(sizes):
        raise ValueError("what the process sent is cut short")
    first, second = HEAD.size + sizes[0], HEAD.size + sizes[0] + sizes[1]
    head = json.loads(content[HEAD.size : first])
    return head, content[first:second], content[second:]


def capture_example() -> None:
    """Capture a small network, so that what a first capture prepares is there in every fork."""

    def make() -> nn.Module:
        layers = [nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(18, 2))

    capture_network(make, ImageSpec((1, 8, 8), 2))


def limit_threads() -> None:
    """One thread: a pool of threads does not survive a fork."""
    torch.set_num_threads(1)
