"""The lab book: every trial behind a choice, a line of JSON each, in a file that git keeps.

A trial is one training, recipe, network and data, with several seeds, judged on val alone. Seeds
that are trained later join its line where they ran on the same hardware and versions.
"""

import hashlib
import json
import statistics
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from torchbudget.errors import ResultsError
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.results import Count, Digest, Hardware, Positive, Seconds, lock
from torchbudget.reading import reading

BOOK = Path("lab/trials.jsonl")
"""The lab book, beside the zoo file."""
TRAINING = (
    *("network", "initial", "recipe", "train", "val", "views", "stored", "teacher"),
    "precision",
)
"""The fields that decide, with the seed, what a training gives on a machine."""
PLACE = ("entry", "overrides", "hardware", "versions")
"""The fields that two lines of one training may differ in."""


class Trial(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a training gave on val, by seed.

    `network`, `train` and `val` are digests as in a record; `initial` is that of the weights with
    which seed 0 begins. `misses` are those of `val_images` by the final weights as they would be
    stored, `seconds` those of training; both stand in the order of `seeds`. `overrides` names what
    was changed from what the zoo declares, `teacher` the digests of the weights that taught, by
    their files' names. `started`, `commit` and `command` are of the newest seed.
    """

    entry: str
    seeds: list[Count]
    misses: list[Count]
    val_images: Positive
    seconds: list[Seconds]
    overrides: list[str]
    params: Count
    dataset: str
    train_images: Positive
    precision: str
    network: Digest
    initial: Digest
    train: Digest
    val: Digest
    recipe: dict[str, Any]
    views: list[dict[str, Any]] = []
    stored: str = "float32"
    teacher: dict[str, Digest] = {}
    started: str
    commit: str
    versions: dict[str, str]
    hardware: Hardware
    command: str

    def __post_init__(self) -> None:
        if not len(self.seeds) == len(self.misses) == len(self.seconds):
            raise ValueError("seeds, misses and seconds are not equally many")
        if sorted(set(self.seeds)) != self.seeds:
            raise ValueError(f"seeds {self.seeds} are not different ones in ascending order")
        if max(self.misses, default=0) > self.val_images:
            raise ValueError(f"misses {max(self.misses)} exceed val_images {self.val_images}")

    @property
    def by_seed(self) -> dict[int, int]:
        """The misses of each seed."""
        return dict(zip(self.seeds, self.misses, strict=True))

    @property
    def mean(self) -> float:
        return statistics.mean(self.misses)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the seeds; None for a single one."""
        return statistics.stdev(self.misses) if len(self.misses) > 1 else None

    def is_training_of(self, other: "Trial") -> bool:
        """Whether the two trained the same, whatever the entry is called and wherever it ran."""
        return _select(self, TRAINING) == _select(other, TRAINING)

    def is_same(self, other: "Trial") -> bool:
        """Whether the seeds of the two belong on one line."""
        return self.is_training_of(other) and _select(self, PLACE) == _select(other, PLACE)

    @property
    def digest(self) -> str:
        """SHA-256 of all that decides what the training gives here."""
        plain = json.dumps(_select(self, (*TRAINING, *PLACE)), sort_keys=True)
        return hashlib.sha256(plain.encode()).hexdigest()

    def joined(self, other: "Trial") -> "Trial":
        """The trial with the seeds of `other`, which is newer; seeds of both are as there."""
        rows = {
            seed: (misses, seconds)
            for trial in (self, other)
            for seed, misses, seconds in zip(trial.seeds, trial.misses, trial.seconds, strict=True)
        }
        seeds = sorted(rows)
        return msgspec.structs.replace(
            other,
            seeds=seeds,
            misses=[rows[seed][0] for seed in seeds],
            seconds=[rows[seed][1] for seed in seeds],
        )


def _select(trial: Trial, names: tuple[str, ...]) -> dict[str, Any]:
    """Fields of a trial as plain JSON."""
    plain = {name: msgspec.to_builtins(getattr(trial, name)) for name in names}
    return json.loads(json.dumps(plain))


def read_book(path: Path) -> list[Trial]:
    """The trials in a lab book, in its order; none where there is no file.

    Raises `ResultsError`, which names the line.
    """
    if not path.exists():
        return []
    with reading(path, ResultsError, "cannot be read", "restore it from git"):
        lines = path.read_bytes().splitlines()
    trials = []
    for number, line in enumerate(lines, 1):
        with reading(f"{path}, line {number},", ResultsError, "is no trial", "restore it from git"):
            trial = msgspec.json.decode(line, type=Trial)
            if not trial.seeds:
                raise ValueError("it has no seed")
            trials.append(trial)
    return trials


def add_to_book(path: Path, trial: Trial) -> None:
    """Add the seeds of `trial` to its line, or a line for it, under a lock; written whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with lock(path):
        trials = read_book(path)
        same = [old for old in trials if old.is_same(trial)]
        for old in same:
            trial = old.joined(trial)
            trials[trials.index(old)] = trial
        if not same:
            trials.append(trial)
        lines = [msgspec.json.encode(kept) for kept in trials]
        write_atomically(path, b"\n".join(lines) + b"\n")


def find_seeds(trials: list[Trial], wanted: Trial, seeds: tuple[int, ...]) -> Trial | None:
    """Those of `seeds` that the book knows of the training that `wanted` describes.

    They are joined in one trial; of two figures of one seed, that of this hardware counts, else the
    newest. None where there is no such seed.
    """
    known = [trial for trial in trials if trial.is_training_of(wanted)]
    known.sort(key=lambda trial: (is_from_here(trial, wanted), trial.started))
    if not known:
        return None
    joined = known[0]
    for trial in known[1:]:
        joined = joined.joined(trial)
    rows = [
        (seed, misses, seconds)
        for seed, misses, seconds in zip(joined.seeds, joined.misses, joined.seconds, strict=True)
        if seed in seeds
    ]
    if not rows:
        return None
    numbers, misses, seconds = map(list, zip(*rows, strict=True))
    return msgspec.structs.replace(joined, seeds=numbers, misses=misses, seconds=seconds)


def is_from_here(trial: Trial, wanted: Trial) -> bool:
    """Whether a trial ran on the hardware and versions of `wanted`."""
    return (trial.hardware, trial.versions) == (wanted.hardware, wanted.versions)
