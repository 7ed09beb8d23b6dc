"""Recording a run: its weights, and what they give on the test images, read once."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch import nn

from torchbudget.data.images import Dataset, Images
from torchbudget.data.loading import FIRST_IMAGE, load_dataset
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Ensemble, Entry, describe
from torchbudget.declare.teaching import find_teacher
from torchbudget.errors import UsageError, WeightsError
from torchbudget.evidence import machine
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.measure import Measurement, measure
from torchbudget.evidence.results import (
    Digests,
    Epoch,
    Hardware,
    ImageRecord,
    Run,
    Score,
    TeacherRecord,
    run_stem,
    seal,
)
from torchbudget.evidence.stored import unpack_tensors
from torchbudget.evidence.together import append_run
from torchbudget.evidence.weights import (
    load_shipped,
    round_weights,
    to_safetensors,
    weights_digest,
    weights_paths,
)
from torchbudget.network.soundness import lay_out
from torchbudget.network.structure import count_multiply_adds, count_params, network_digest
from torchbudget.network.trace import build

WRAPPERS = ("module.", "_orig_mod.")
"""What `DataParallel` and `torch.compile` put before every name of a state dict."""


@dataclass(frozen=True)
class Clock:
    """When a run began: seconds of a monotonic clock, and the time of day with its offset."""

    seconds: float
    started: str

    @classmethod
    def start(cls) -> "Clock":
        return cls(time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds"))

    def elapsed(self) -> float:
        return round(time.perf_counter() - self.seconds, 3)


@dataclass(frozen=True)
class RecordedRun:
    """A run as it was recorded, sealed, and what its weights gave on the test images."""

    run: Run
    test: Measurement


DescribeRun = Callable[[RecordedRun], Mapping[Path, bytes]]
"""Gives further files of a run, their contents by their paths."""


@dataclass(frozen=True, kw_only=True)
class TrainingClaim:
    """What is said of a training; nobody can measure it afterwards.

    `recipe` is the recipe as it ran, described as plain JSON; `overrides` names what was changed
    from the entry's own. `steps` are the optimiser's, `seconds` those of training alone. `teacher`
    names the weights that taught.
    """

    recipe: Mapping[str, Any]
    overrides: Sequence[str] = ()
    precision: str = "fp32"
    steps: int | None = None
    batch_size: int | None = None
    seconds: float | None = None
    history: Sequence[Epoch] = ()
    teacher: TeacherRecord | None = None


def record_run(
    entry: Entry,
    seed: int,
    network: nn.Module | Mapping[str, torch.Tensor],
    *,
    folder: Path | str = ".",
    results: Path | None = None,
    weights: Path | None = None,
    dataset: Dataset | None = None,
    train: Images | None = None,
    val: Images | None = None,
    recipe: Any = None,
    overrides: Sequence[str] = (),
    precision: str = "fp32",
    steps: int | None = None,
    batch_size: int | None = None,
    seconds: float | None = None,
    history: Sequence[Epoch] = (),
    teacher: TeacherRecord | None = None,
    device: str = "cpu",
    clock: Clock | None = None,
    data_root: Path | None = None,
    describe_run: DescribeRun | None = None,
) -> RecordedRun:
    """Write the weights and the record of one run of `entry` with `seed`, together or not at all.

    Call it once, at the end of training: the test images are read here, by the final weights.
    `network` is the trained network, or its state dict; what is measured is a fresh network of the
    entry with these weights, rounded as the entry's `stored` says.

    `folder` is the zoo file's: the record goes to `results.json` and the weights to `weights/` in
    it, unless `results` (a file) and `weights` (a folder) say otherwise. `dataset` spares loading
    the entry's data a second time. `train` and `val` are the images that were trained on and chosen
    by; by default those that the entry's recipe gives, without a recipe all training images.
    `steps` (of the optimiser), `batch_size` and `seconds` are what is known of the training,
    `teacher` the weights that taught it: where the recipe holds a `TaughtBy`, by default those that
    are in the folder now. `describe_run` gives further files of the run, which appear with its
    record. Raises
    `WeightsError` for weights that do not fit the entry's network, `DataError` where the data is
    missing, `ResultsError` where `results` is no results file.
    """
    if isinstance(entry, Ensemble):
        raise UsageError(f"{entry.name} is an ensemble: it has no weights of its own to record")
    clock = clock or Clock.start()
    folder = Path(folder)
    dataset = dataset or load_dataset(entry.data, data_root, folder)
    fresh = round_weights(adopt_weights(entry, network), entry.stored)
    content = to_safetensors(fresh, entry.stored)
    claim = TrainingClaim(
        recipe=describe(entry.recipe if recipe is None else recipe) or {},
        overrides=overrides,
        precision=precision,
        steps=steps,
        batch_size=batch_size,
        seconds=seconds,
        history=history,
        teacher=teacher or digest_teacher(entry, weights or folder / "weights", dataset.name),
    )
    images = None if train is None or val is None else (train, val)
    digest = hashlib.sha256(content).hexdigest()
    recorded = observe_run(
        entry, seed, fresh, digest, dataset, claim, clock, folder, images=images, device=device
    )
    stem = run_stem(entry.name, seed, dataset.name, list(overrides))
    files = {(weights or folder / "weights") / f"{stem}.safetensors": content}
    files |= describe_run(recorded) if describe_run else {}
    append_run(results or folder / "results.json", recorded.run, files)
    return recorded


def digest_teacher(entry: Entry, weights: Path, dataset: str) -> TeacherRecord | None:
    """What teaches `entry` in a run on that data set, by the files in the folder `weights`.

    None where it has no teacher. Raises `WeightsError` where a file is missing.
    """
    teacher = find_teacher(entry)
    if teacher is None:
        return None
    digests = {}
    for member, seed in teacher.networks:
        (path,) = weights_paths(member, seed, weights, dataset)
        if not path.is_file():
            raise WeightsError(f"{path}, which teaches {entry.name}, is missing; record it first")
        digests[path.stem] = file_digest(path)
    return TeacherRecord(entry=teacher.entry.name, weights=digests)


def record_ensemble(
    entry: Ensemble,
    members: Sequence[Run],
    *,
    folder: Path | str = ".",
    results: Path | None = None,
    weights: Path | None = None,
    dataset: Dataset | None = None,
    clock: Clock | None = None,
    describe_run: DescribeRun | None = None,
) -> RecordedRun:
    """Write the record of an ensemble, whose `members` (their runs, in order) are recorded.

    It has the steps and seconds of all members; what they share is the first one's.
    """
    clock = clock or Clock.start()
    folder = Path(folder)
    weights = weights or folder / "weights"
    dataset = dataset or load_dataset(entry.data, folder=folder)
    first = members[0]
    claim = TrainingClaim(
        recipe=describe(entry.recipe),
        precision=first.precision,
        steps=sum_known([member.steps for member in members]),
        batch_size=first.batch_size,
        seconds=sum_known([member.train_seconds for member in members]),
    )
    digest = weights_digest(weights_paths(entry, 0, weights, dataset.name))
    network = load_shipped(entry, 0, weights, dataset.name)
    images = split_train_val(dataset, first.val_images)
    recorded = observe_run(entry, 0, network, digest, dataset, claim, clock, folder, images=images)
    files = describe_run(recorded) if describe_run else {}
    append_run(results or folder / "results.json", recorded.run, files)
    return recorded


def sum_known(values: Sequence[Any]) -> Any:
    """The sum, or None where one of the values is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def observe_run(
    entry: Entry,
    seed: int,
    network: nn.Module,
    weights: str,
    dataset: Dataset,
    claim: TrainingClaim,
    clock: Clock,
    folder: Path,
    *,
    images: tuple[Images, Images] | None = None,
    device: str = "cpu",
) -> RecordedRun:
    """Measure the final `network`, whose weights have the digest `weights`: val, then test, once.

    `images` are those trained on and those chosen by.
    """
    train, val = images or split_train_val(dataset, entry.val_images)
    lay_out(network, dataset.image)
    val_found = measure(network, val, views=entry.views) if len(val) else None
    test = measure(network, dataset.test, views=entry.views)
    plain = test.misses_without_views
    seconds = None if claim.seconds is None else round(claim.seconds, 3)
    run = Run(
        entry=entry.name,
        seed=seed,
        dataset=dataset.name,
        overrides=list(claim.overrides),
        recipe=dict(claim.recipe),
        params=count_params(network),
        multiply_adds=count_multiply_adds(network, dataset.image),
        precision=claim.precision,
        train_images=len(train),
        val_images=len(val),
        batch_size=claim.batch_size,
        steps=claim.steps,
        test_reads=1,
        val=Score(misses=val_found.misses, total=val_found.total) if val_found else None,
        test=Score(misses=test.misses, total=test.total),
        confusion=test.confusion,
        missed={str(index): predicted for index, predicted in test.missed.items()},
        history=list(claim.history),
        train_seconds=seconds,
        total_seconds=clock.elapsed(),
        started=clock.started,
        commit=machine.commit(folder),
        versions=machine.versions(),
        hardware=Hardware(**machine.hardware(device)),
        digests=Digests(
            network=network_digest(build(entry.network), dataset.image),
            train=train.digest,
            val=val.digest if len(val) else None,
            test=dataset.test.digest,
            weights=weights,
            predictions=test.digest,
        ),
        views=describe(entry.views),
        test_without_views=None if plain is None else Score(misses=plain, total=test.total),
        image=None if dataset.image == FIRST_IMAGE else ImageRecord.of(dataset.image),
        worst_confusions=test.worst_confusions,
        teacher=claim.teacher,
    )
    return RecordedRun(seal(run), test)


def adopt_weights(entry: Entry, source: nn.Module | Mapping[str, torch.Tensor]) -> nn.Module:
    """A fresh network of `entry` with the weights of `source`; raises `WeightsError`.

    The prefixes that `DataParallel` and `torch.compile` add are taken off, and whole numbers that
    were stored with scales are what they stand for.
    """
    state = dict(source.state_dict() if isinstance(source, nn.Module) else source)
    for prefix in WRAPPERS:
        if state and all(name.startswith(prefix) for name in state):
            state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    network = build(entry.network)
    wanted = network.state_dict()
    state = unpack_tensors(state, wanted)
    for name, tensor in wanted.items():
        if name not in state:
            raise WeightsError(f"the weights lack {name}, which the network of {entry.name} has")
        if state[name].shape != tensor.shape:
            raise WeightsError(
                f"{name} is {tuple(state[name].shape)} in the weights, "
                f"{tuple(tensor.shape)} in the network of {entry.name}"
            )
    for name in state:
        if name not in wanted:
            raise WeightsError(
                f"the weights hold {name}, which the network of {entry.name} has not"
            )
    network.load_state_dict(state)
    return network.eval()
