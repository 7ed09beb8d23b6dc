"""The networks that the page "Draw a digit" runs: ONNX files, and index.json, which lists them.

index.json holds `entries`, the smallest first, and `left_out`. An entry has `name`, `params`,
`misses` and `total` of seed 0 as recorded, the `files` that are run, their `bytes`, and `vote`: how
the files' probabilities become the entry's. An ensemble is counted in the page from its members'
files, most of which the page has anyway; one that adds more than `LIMIT` bytes is left out.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from torchbudget.data.mnist import MNIST
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.measure import measure
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.evidence.weights import weights_digest, weights_paths
from utils.export import Exporter
from utils.onnx_check import compare, load_onnx, run_onnx

FOLDER = "assets/networks"
"""Where docs/assets/draw/networks.js looks for the files, below the site."""
LIMIT = 4_000_000
"""The most bytes that an entry adds to the page."""
CHECKED = 100
"""Test images on which each file is compared with torch before it is used."""
SOURCES = ("model.py", "utils/classifier.py", "utils/onnx_file.py")
"""What a file is made by, besides its weights: a change of any makes a kept one stale."""

Part = tuple[Entry, int]
"""An entry and a seed: what one file holds."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """An entry with evidence: its run of seed 0, and the files that it is counted from."""

    entry: Entry
    run: Run
    parts: Sequence[Part]


def file_name(part: Part) -> str:
    """`slim.onnx`, and `slim-seed1.onnx` for another seed than 0."""
    entry, seed = part
    return f"{entry.name}.onnx" if seed == 0 else f"{entry.name}-seed{seed}.onnx"


def find_parts(entry: Entry) -> Sequence[Part]:
    """The members of an ensemble that no views are averaged for, else the entry itself."""
    if isinstance(entry, Ensemble) and not entry.views:
        members = entry.member_runs
        if not any(member.views for member, _ in members):
            return members
    return ((entry, 0),)


def list_entries(zoo_file: Path) -> list[Listed]:
    """The entries of MNIST that have a run of seed 0 as evidence, by parameters and misses."""
    runs = read_results(zoo_file.parent / "results.json")
    listed = []
    for entry in load_zoo(zoo_file, served=("utils",)).values():
        run = evidence_of(entry, runs).get(0)
        if entry.dataset == MNIST.name and run is not None:
            listed.append(Listed(entry=entry, run=run, parts=find_parts(entry)))
    return sorted(listed, key=lambda one: (one.run.params, one.run.test.misses, one.entry.name))


def choose(listed: Sequence[Listed], weights: Path) -> tuple[list[Listed], list[Listed]]:
    """Those that the page runs, and those that it leaves out, by the bytes of their weights.

    An ensemble's files that an entry before it has are not counted again.
    """
    chosen, left_out = [], []
    counted: set[str] = set()
    for one in sorted(listed, key=lambda one: len(one.parts)):
        added = {file_name(part): part for part in one.parts if file_name(part) not in counted}
        if count_bytes(added.values(), weights) > LIMIT:
            left_out.append(one)
        else:
            chosen.append(one)
            counted |= set(added)
    return [one for one in listed if one in chosen], left_out


def count_bytes(parts: Iterable[Part], weights: Path) -> int:
    """Bytes of the weights files."""
    files = {path for entry, seed in parts for path in weights_paths(entry, seed, weights)}
    return sum(path.stat().st_size for path in files)


class Maker:
    """Makes ONNX files of the entries whose weights and sources are below `root`.

    It keeps them in `kept`, and uses them again as long as nothing that they are made of changes.
    """

    def __init__(self, root: Path, kept: Path, data_root: Path | None = None) -> None:
        self.weights = root / "weights"
        self.kept = kept
        self._exporter = Exporter(self.weights, data_root, root)
        versions = [torch.__version__, str(load_onnx().OPSET)]
        sources = [(root / name).read_text(encoding="utf-8") for name in SOURCES]
        self._origin = "\0".join([*versions, *sources])

    def make(self, part: Part) -> bytes:
        """The file's content; raises `ExportError`, `DataError` and `WeightsError`."""
        path = self.find_kept(part)
        if not path.is_file():
            write_atomically(path, self._export(*part))
        return path.read_bytes()

    def find_kept(self, part: Part) -> Path:
        """Where the file is kept, by the digest of what it is made of; raises `WeightsError`."""
        entry, seed = part
        weights = weights_digest(weights_paths(entry, seed, self.weights))
        origin = "\0".join([self._origin, weights, repr(entry.views)])
        digest = hashlib.sha256(origin.encode()).hexdigest()
        return self.kept / f"{digest[:16]}-{file_name(part)}"

    def _export(self, entry: Entry, seed: int) -> bytes:
        """The file's content, which gives what torch gives for the first test images."""
        exporter = self._exporter
        model = exporter.build(entry, seed)
        load_onnx().describe(model, exporter.describe(entry, seed))
        content = model.SerializeToString()
        dataset = exporter.dataset_of(entry)
        few = replace(dataset, test=dataset.test[torch.arange(min(CHECKED, len(dataset.test)))])
        measured = measure(exporter.network_of(entry, seed), few.test, views=entry.views)
        given = run_onnx(entry.name, content, few)
        compare(entry.name, given, measured, exporter.find_margin(entry, seed))
        return content


def write_networks(root: Path, target: Path, data_root: Path | None = None) -> None:
    """Write the networks of the zoo in `root` below `target`; raises a `TorchBudgetError`."""
    chosen, left_out = choose(list_entries(root / "zoo.py"), root / "weights")
    maker = Maker(root, root / "build" / "networks", data_root)
    folder = target / FOLDER
    sizes = {}
    for part in dict.fromkeys(part for one in chosen for part in one.parts):
        content = maker.make(part)
        sizes[file_name(part)] = len(content)
        write_atomically(folder / file_name(part), content)
    index = {
        "entries": [describe(one, sizes) for one in chosen],
        "left_out": [{"name": one.entry.name, "params": one.run.params} for one in left_out],
    }
    write_atomically(folder / "index.json", (json.dumps(index, indent=1) + "\n").encode())


def describe(listed: Listed, sizes: dict[str, int]) -> dict[str, object]:
    """What index.json says of an entry; `sizes` are the bytes of the files."""
    files = [file_name(part) for part in listed.parts]
    entry = listed.entry
    return {
        "name": entry.name,
        "params": listed.run.params,
        "misses": listed.run.test.misses,
        "total": listed.run.test.total,
        "files": files,
        "bytes": sum(sizes[name] for name in files),
        "vote": entry.vote if isinstance(entry, Ensemble) else "probabilities",
    }
