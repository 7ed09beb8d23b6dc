"""Fixtures for the tests of several packages: the real sample, the zoo's file, and recorded runs.

run = make_run(small_entry, 0)               # sealed, as train.py records it
run = make_run(small_entry, 0, steps=999)    # any field changed before the seal
"""

import contextlib
import functools
import gc
import gzip
import hashlib
import io
import os
import shutil
import signal
import struct
import tempfile
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from filelock import FileLock
from hypothesis import Phase, settings
from readme_blocks import WORDS_OF_MAKE

import train
from model import Slim
from torchbudget.data.images import Dataset
from torchbudget.data.mnist import (
    IDX_HEADERS,
    IMAGE,
    MNIST,
    MNIST_SAMPLE,
    IdxLoader,
    load_mnist_sample,
)
from torchbudget.data.spec import DataSpec
from torchbudget.data.split import split_train_val
from torchbudget.declare.budget import BatchNorm, Budget, Dropout, GlobalAveragePooling
from torchbudget.declare.entry import Entry
from torchbudget.evidence.measure import Measurement, measure
from torchbudget.evidence.record import RecordedRun, record_run
from torchbudget.evidence.results import Epoch, Run, seal
from utils.recipe import SGD, Constant, Recipe

ROOT = Path(__file__).resolve().parent.parent
DONE = ".trained"
"""The file in the folder of the trained zoo that says that it is whole."""

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # a background job's, where Ctrl-C is tested
    signal.signal(signal.SIGINT, signal.default_int_handler)

for variable in WORDS_OF_MAKE:
    os.environ.pop(variable, None)

if "PYTEST_XDIST_WORKER" in os.environ:
    # A worker a core and a thread a worker, in what the tests start too.
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)

settings.register_profile(
    "laws", deadline=None, derandomize=True, max_examples=60, phases=set(Phase) - {Phase.explain}
)
settings.load_profile("laws")


def pytest_collection_finish() -> None:
    gc.freeze()  # torch and the tests stay: no collection needs to look through them again


@pytest.fixture(scope="session")
def zoo_file() -> Path:
    return ROOT / "zoo.py"


@functools.cache
def _sample() -> Dataset:
    return load_mnist_sample()


@pytest.fixture(scope="session")
def sample() -> Dataset:
    """5,000 real images, 4,000 of them to train on. Never change its tensors in place."""
    return _sample()


@pytest.fixture(scope="session")
def small_entry() -> Entry:
    """`Slim` on the sample for two short epochs, with a budget that even its first weights keep."""
    return Entry(
        name="small",
        network=Slim,
        data=MNIST_SAMPLE,
        recipe=Recipe(
            epochs=2,
            batch_size=100,
            optimizer=SGD(),
            schedule=Constant(lr=0.05),
            amp="off",
            val_images=500,
        ),
        budget=Budget(
            max_params=20_000,
            max_epochs=3,
            max_misses=1_000,
            requires=(BatchNorm(), Dropout(), GlobalAveragePooling()),
        ),
    )


@functools.cache
def _untrained(network: type, seed: int) -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return network().eval()


@functools.cache
def _record(entry: Entry, seed: int) -> tuple[RecordedRun, bytes]:
    """The run of an entry's first weights, as `record_run` writes it, and its weights file."""
    recipe = entry.recipe
    network = _untrained(entry.network, seed)
    train, val = split_train_val(_sample(), recipe.val_images)
    steps = recipe.epochs * (len(train) // recipe.batch_size)
    found = measure(network, val) if len(val) else None
    val_loss = round(found.loss, 6) if found else None
    rates = recipe.learning_rates(len(train) // recipe.batch_size, [val_loss] * recipe.epochs)
    history = [
        Epoch(
            train_loss=round(2.3 / (number + 1), 6),
            val_loss=val_loss,
            val_misses=found.misses if found else None,
            lr=round(rate, 9),
            seconds=0.75,
        )
        for number, rate in enumerate(rates)
    ]
    with tempfile.TemporaryDirectory() as folder:
        recorded = record_run(
            entry,
            seed,
            network,
            folder=folder,
            dataset=_sample(),
            steps=steps,
            batch_size=recipe.batch_size,
            seconds=1.5,
            history=history,
        )
        (weights,) = (Path(folder) / "weights").iterdir()
        return recorded, weights.read_bytes()


class RunMaker:
    """Records a run that was never trained: its initial weights, measured on the sample."""

    def __init__(self, weights: Path) -> None:
        self.weights = weights

    def __call__(self, entry: Entry, seed: int = 0, **changes: object) -> Run:
        """The sealed run, `changes` made before the seal; its weights are in `self.weights`."""
        recorded, weights = _record(entry, seed)
        self.weights.mkdir(parents=True, exist_ok=True)
        (self.weights / f"{recorded.run.stem}.safetensors").write_bytes(weights)
        return seal(msgspec.structs.replace(recorded.run, **changes))

    def network(self, entry: Entry, seed: int = 0) -> torch.nn.Module:
        return _untrained(entry.network, seed)

    def measurement(self, entry: Entry, seed: int = 0) -> Measurement:
        """The run's network on the sample's test images."""
        return _record(entry, seed)[0].test


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    return RunMaker(tmp_path / "weights")


# --- files in MNIST's form ------------------------------------------------------------------------


def idx(array: torch.Tensor) -> bytes:
    """A uint8 tensor as the IDX file of that shape."""
    return (
        struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape)
        + array.numpy().tobytes()
    )


@pytest.fixture
def contents(sample) -> dict[str, bytes]:
    """The four files of a data set in MNIST's form, of the sample's images."""
    parts = []
    for images in (sample.train, sample.test):
        parts += [images.pixels[:, 0], images.labels.to(torch.uint8)]
    return dict(zip(IDX_HEADERS, map(idx, parts), strict=True))


@pytest.fixture
def mnist_like(contents) -> DataSpec:
    """A data set that is read as MNIST is, and verified by the digests of `contents`."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return replace(MNIST, load=IdxLoader("mnist", "MNIST", IMAGE, digests))


@pytest.fixture
def raw(tmp_path, contents) -> Path:
    """The folder of a root that holds `contents`, gzipped."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, content in contents.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content, 1))
    return folder


# --- a zoo trained for real -----------------------------------------------------------------------


@pytest.fixture(scope="session")
def trained_zoo(tmp_path_factory, worker_id) -> Path:
    """A folder with `zoo.py` (one entry, `tiny`, two seeds), its results.json and weights/.

    train.py wrote the results and the weights, once for all workers. Copy the folder before
    changing it.
    """
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    folder = shared / "trained"
    with FileLock(f"{folder}.lock"):
        if not (folder / DONE).exists():
            folder.mkdir()
            shutil.copy(ROOT / "tests" / "tiny_zoo.py", folder / "zoo.py")
            for seed in range(2):
                train_zoo(folder, "tiny", "--seed", str(seed))
            (folder / DONE).touch()
    return folder


def train_zoo(folder: Path, *words: str) -> str:
    """Train by the zoo file in `folder`, and return what train.py prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = train.main([*words, "--zoo", str(folder / "zoo.py")])
    assert code == 0
    return printed.getvalue()


@pytest.fixture
def zoo(trained_zoo, tmp_path):
    """A copy of the trained zoo, free to be tampered with."""
    shutil.copytree(trained_zoo, tmp_path / "zoo", ignore=shutil.ignore_patterns(DONE))
    return tmp_path / "zoo"
