"""The record of runs, `results.json`: one closed, versioned schema, checked on reading and on writing.

`train.py` appends; nobody edits. A run of the same stem (entry, seed, data set, overridden or not) takes the older one's place
(git keeps it). Each run carries a `seal`, the SHA-256 of the rest of it, so that an edit by hand shows.
"""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any

import msgspec
from filelock import FileLock
from msgspec import Meta, Struct

from torchbudget.declare.entry import Entry
from torchbudget.errors import ResultsError
from torchbudget.evidence.files import write_atomically

SCHEMA = 1

Count = Annotated[int, Meta(ge=0)]
Digest = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
Seconds = Annotated[float, Meta(ge=0)]


class Score(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`misses` wrong images of `total`."""

    misses: Count
    total: Count

    def __post_init__(self) -> None:
        if self.misses > self.total:
            raise ValueError(f"misses {self.misses} exceed total {self.total}")


class Epoch(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One epoch: mean training loss, the val split after it (None without one), the last learning rate, seconds of training."""

    train_loss: float
    val_loss: float | None
    val_misses: Count | None
    lr: float
    seconds: Seconds


class Digests(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SHA-256 of the network as computed, the images trained on, val, test, the weights file and the test predictions."""

    network: Digest
    train: Digest
    val: Digest | None
    test: Digest
    weights: Digest
    predictions: Digest


class Hardware(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What it ran on. `device` names the CPU or GPU that trained."""

    device: str
    cpu: str
    cores: Count
    threads: Count
    memory_gib: float


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one run of one entry with one seed observed. `missed` maps each wrong test image's index to its predicted digit.

    `test` is measured with the entry's `views`, if any, `test_without_views` on the images as they are. An ensemble's run has the
    steps and seconds of all its members and no history: its members have theirs. What is at its default is not written, so that a
    record of before a field came keeps its seal.
    """

    entry: str
    seed: Count
    dataset: str
    overrides: list[str]
    recipe: dict[str, Any]
    params: Count
    multiply_adds: Count
    precision: str
    train_images: Count
    val_images: Count
    batch_size: Annotated[int, Meta(ge=1)]
    steps: Count
    test_reads: Count
    val: Score | None
    test: Score
    confusion: list[list[Count]]
    missed: dict[str, Count]
    history: list[Epoch]
    train_seconds: Seconds
    total_seconds: Seconds
    started: str
    commit: str
    versions: dict[str, str]
    hardware: Hardware
    digests: Digests
    views: list[dict[str, Any]] = []
    test_without_views: Score | None = None
    seal: str = ""

    def __post_init__(self) -> None:
        cells = sum(map(sum, self.confusion))
        trace = sum(row[digit] for digit, row in enumerate(self.confusion) if digit < len(row))
        if len(self.confusion) != 10 or any(len(row) != 10 for row in self.confusion):
            raise ValueError("confusion must be 10 rows of 10 counts")
        if cells != self.test.total or cells - trace != self.test.misses:
            raise ValueError(
                f"confusion counts {cells - trace} misses of {cells}, test says {self.test.misses} of {self.test.total}"
            )
        if len(self.missed) != self.test.misses:
            raise ValueError(
                f"missed lists {len(self.missed)} images, test says {self.test.misses}"
            )

    @property
    def stem(self) -> str:
        return run_stem(self.entry, self.seed, self.dataset, self.overrides)

    @property
    def epochs(self) -> float:
        """Passes over the training images, counted from the optimiser's steps."""
        return self.steps * self.batch_size / self.train_images

    def expected_seal(self) -> str:
        """SHA-256 of the run without its seal, as canonical JSON."""
        plain = msgspec.to_builtins(self)
        plain.pop("seal", None)
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


class Results(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: schema version and runs, sorted by their stems."""

    schema: int
    runs: list[Run]


def run_stem(entry: str, seed: int, dataset: str, overrides: list[str]) -> str:
    """Name of a run's files: `slim-seed0`, with the data set or `overridden` where it is no evidence of the entry's budget."""
    return (
        f"{entry}-seed{seed}"
        + ("" if dataset == "mnist" else f"-{dataset}")
        + ("-overridden" if overrides else "")
    )


def seal(run: Run) -> Run:
    return msgspec.structs.replace(run, seal=run.expected_seal())


def is_evidence(run: Run, entry: Entry) -> bool:
    """Whether the run can speak for the entry: its data set, nothing overridden, the test images read once."""
    return (
        run.entry == entry.name
        and run.dataset == entry.dataset
        and not run.overrides
        and run.test_reads == 1
    )


def evidence_of(entry: Entry, runs: list[Run]) -> dict[int, Run]:
    """The entry's evidence by seed."""
    return {run.seed: run for run in runs if is_evidence(run, entry)}


def read_results(path: Path) -> list[Run]:
    """All runs in `path`; none where the file does not exist. Raises `ResultsError`."""
    if not path.exists():
        return []
    try:
        results = msgspec.json.decode(path.read_bytes(), type=Results)
    except (msgspec.DecodeError, OSError, UnicodeDecodeError) as error:
        raise ResultsError(
            f"{path} is not a results file of schema {SCHEMA}: {error}; restore it from git"
        ) from error
    if results.schema != SCHEMA:
        raise ResultsError(f"{path} has schema {results.schema}, this zoo reads {SCHEMA}")
    stems = [run.stem for run in results.runs]
    for stem in stems:
        if stems.count(stem) > 1:
            raise ResultsError(f"{path} holds {stems.count(stem)} runs {stem}; restore it from git")
    return results.runs


def append_run(path: Path, run: Run) -> None:
    """Add `run`, sealed, under a lock; the file is replaced whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock", timeout=60):
        runs = [old for old in read_results(path) if old.stem != run.stem] + [seal(run)]
        text = _to_json(Results(schema=SCHEMA, runs=sorted(runs, key=lambda each: each.stem)))
        msgspec.json.decode(text, type=Results)
        write_atomically(path, lambda partial: partial.write_text(text))


def _to_json(results: Results) -> str:
    """JSON with a field of a run on each line, so that a diff shows what changed."""
    blocks = []
    for run in results.runs:
        fields = [
            f"   {json.dumps(name)}: {json.dumps(value)}"
            for name, value in msgspec.to_builtins(run).items()
        ]
        blocks.append("  {\n" + ",\n".join(fields) + "\n  }")
    return f'{{\n "schema": {results.schema},\n "runs": [\n' + ",\n".join(blocks) + "\n ]\n}\n"
