"""The record of runs, `results.json`: one closed, versioned schema.

It is checked on reading and on writing. Runs are appended by `record_run`; nobody edits them. A run
of the same stem (entry, seed, data set, overridden or not) takes the older one's place; git keeps
that. Each run carries a `seal`, the SHA-256 of the rest of it, so that an edit by hand shows.

A file is canonical, or it is refused: read and written again, it gives the same bytes. So no key
stands in it twice, no number in a form of its own, and no field that this schema does not know.

A seal proves no more than that nobody forgot it. `torchbudget.gates.fields` lists which gate
computes each field, and which fields are claimed.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Protocol

import msgspec
from filelock import FileLock, Timeout
from msgspec import Meta, Struct

from torchbudget.data.images import ImageSpec
from torchbudget.data.loading import FIRST_IMAGE, file_suffix
from torchbudget.errors import ResultsError
from torchbudget.evidence.canonical import describe_difference, to_json
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.measure import MAX_MATRIX
from torchbudget.reading import reading

SCHEMA = 1
MAX_COUNT = 2**53
"""The integers that every reader of JSON can hold."""

Count = Annotated[int, Meta(ge=0, le=MAX_COUNT)]
Positive = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
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
    """One epoch of training.

    The mean training loss, val after it (None without a val split), the last learning rate, and
    seconds of training.
    """

    train_loss: float
    val_loss: float | None
    val_misses: Count | None
    lr: float
    seconds: Seconds


class Digests(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """SHA-256 of all that the run's number belongs to.

    The network as computed, the images trained on, val, test, the weights file, and the predictions
    on test.
    """

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


class ImageRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The form of the images, and the mean and deviation that the input was normalised by."""

    shape: list[Positive]
    num_classes: Positive
    mean: list[float]
    std: list[float]

    @classmethod
    def of(cls, image: ImageSpec) -> "ImageRecord":
        return cls(
            shape=list(image.shape),
            num_classes=image.num_classes,
            mean=list(image.mean or ()),
            std=list(image.std or ()),
        )


class TeacherRecord(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What taught: the entry's name, and the SHA-256 of each weights file by its run's name."""

    entry: str
    weights: dict[str, Digest]


FIRST_FORM = ImageRecord.of(FIRST_IMAGE)


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What one run of one entry with one seed observed.

    `missed` maps the index of each wrong test image to its predicted class. `test` is measured with
    the entry's `views`, if any, `test_without_views` on the unmoved images. Where the training was
    not told (a network of somebody's own loop), `recipe` is empty and `batch_size`, `steps` and
    `train_seconds` are None. An ensemble's run has the steps and seconds of all its members and no
    history: its members have theirs. Above 100 classes `confusion` is empty and `worst_confusions`
    lists [true, predicted, count] of the largest errors. `teacher` is what the network learned from
    beside the labels.

    Fields at their default are not written, so a new field does not change the seal of older
    records.
    """

    entry: str
    seed: Count
    dataset: str
    overrides: list[str]
    recipe: dict[str, Any]
    params: Count
    multiply_adds: Count
    precision: str
    train_images: Positive
    val_images: Count
    batch_size: Positive | None
    steps: Count | None
    test_reads: Count
    val: Score | None
    test: Score
    confusion: list[list[Count]]
    missed: dict[str, Count]
    history: list[Epoch]
    train_seconds: Seconds | None
    total_seconds: Seconds
    started: str
    commit: str
    versions: dict[str, str]
    hardware: Hardware
    digests: Digests
    views: list[dict[str, Any]] = []
    test_without_views: Score | None = None
    image: ImageRecord | None = None
    worst_confusions: list[list[Count]] = []
    teacher: TeacherRecord | None = None
    seal: str = ""

    def __post_init__(self) -> None:
        if len(self.missed) != self.test.misses:
            raise ValueError(
                f"missed lists {len(self.missed)} images, test says {self.test.misses}"
            )
        self._check_missed()
        if self.form.num_classes <= MAX_MATRIX:
            self._check_confusion()

    def _check_missed(self) -> None:
        """Reject what is no index of a test image, or no class, and any order but the images'."""
        total, num_classes = self.test.total, self.form.num_classes
        last = -1
        for key, predicted in self.missed.items():
            if not (key.isascii() and key.isdigit()) or str(index := int(key)) != key:
                raise ValueError(f"missed: {key!r} is no index of an image")
            if index >= total:
                raise ValueError(f"missed: there is no image {key} among {total}")
            if predicted >= num_classes:
                raise ValueError(
                    f"missed: image {key} is taken for class {predicted}, there are {num_classes}"
                )
            if index <= last:
                raise ValueError("missed: its images are not in ascending order")
            last = index

    def _check_confusion(self) -> None:
        size = self.form.num_classes
        if len(self.confusion) != size or any(len(row) != size for row in self.confusion):
            raise ValueError(f"confusion must be {size} rows of {size} counts")
        cells = sum(map(sum, self.confusion))
        wrong = cells - sum(self.confusion[index][index] for index in range(size))
        if (wrong, cells) != (self.test.misses, self.test.total):
            raise ValueError(
                f"confusion counts {wrong} misses of {cells}, "
                f"test says {self.test.misses} of {self.test.total}"
            )

    @property
    def form(self) -> ImageRecord:
        """The form of the images."""
        return self.image or FIRST_FORM

    @property
    def stem(self) -> str:
        return run_stem(self.entry, self.seed, self.dataset, self.overrides)

    @property
    def epochs(self) -> float | None:
        """Passes over the training images, counted from the optimiser's steps; None if not told."""
        if self.steps is None or self.batch_size is None or not self.train_images:
            return None
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
    """Name of a run's files, such as `slim-seed0`.

    It ends with the data set, and with `overridden` where the run is no evidence of the budget.
    """
    return f"{entry}-seed{seed}{file_suffix(dataset)}" + ("-overridden" if overrides else "")


def seal(run: Run) -> Run:
    return msgspec.structs.replace(run, seal=run.expected_seal())


class Named(Protocol):
    """What evidence is looked up by: an entry, here or at the baseline."""

    @property
    def name(self) -> str: ...

    @property
    def dataset(self) -> str: ...


def is_evidence(run: Run, entry: Named) -> bool:
    """Whether the run can speak for the entry.

    It is on the entry's data set, nothing is overridden, and the test images were read once.
    """
    return (
        run.entry == entry.name
        and run.dataset == entry.dataset
        and not run.overrides
        and run.test_reads == 1
    )


def evidence_of(entry: Named, runs: list[Run]) -> dict[int, Run]:
    """The entry's evidence by seed."""
    return {run.seed: run for run in runs if is_evidence(run, entry)}


def read_results(path: Path, *, canonical: bool = True) -> list[Run]:
    """All runs in `path`; none where the file does not exist. Raises `ResultsError`.

    With `canonical`, a file that would not be written as it is is refused. Only a record that git
    keeps from before is read without.
    """
    if not path.exists():
        return []
    problem = f"is not a results file of schema {SCHEMA}"
    with reading(path, ResultsError, problem, "restore it from git"):
        content = path.read_bytes()
        results = msgspec.json.decode(content, type=Results)
        text = to_json(results.schema, msgspec.to_builtins(results.runs))
    if results.schema != SCHEMA:
        raise ResultsError(f"{path} has schema {results.schema}, this version reads {SCHEMA}")
    stems = [run.stem for run in results.runs]
    for stem in stems:
        if stems.count(stem) > 1:
            raise ResultsError(f"{path} holds {stems.count(stem)} runs {stem}; restore it from git")
    if canonical and stems != sorted(stems):
        raise ResultsError(f"{path}: its runs are not sorted by their names; restore it from git")
    if canonical and text.encode() != content:
        raise ResultsError(
            f"{path} {describe_difference(content, text, stems)}; restore it from git"
        )
    return results.runs


def write_results(path: Path, runs: list[Run]) -> None:
    """Write sealed runs in the form that is read; the file is replaced whole."""
    text = to_json(SCHEMA, msgspec.to_builtins(sorted(runs, key=lambda run: run.stem)))
    msgspec.json.decode(text, type=Results)
    write_atomically(path, text)


@contextmanager
def lock(path: Path, timeout: float = 60) -> Iterator[None]:
    """The only writer of `path` meanwhile.

    Raises `ResultsError` where another one stays for `timeout` seconds.
    """
    try:
        with FileLock(f"{path}.lock", timeout=timeout):
            yield
    except Timeout as error:
        raise ResultsError(
            f"{path}.lock is held by another run; wait until that has ended, then record this one "
            "again (train.py: --resume)"
        ) from error
