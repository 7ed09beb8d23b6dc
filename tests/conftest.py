"""What several rooms' tests stand on: the real sample, the zoo's file, and runs measured on the sample.

run = make_run(small_entry, 0)               # sealed, as train.py records it; its weights are in make_run.weights
run = make_run(small_entry, 0, steps=999)    # any field changed before the seal
"""

import functools
import gzip
import hashlib
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch
from hypothesis import Phase, settings

from model import Slim
from torchbudget.data.images import Dataset
from torchbudget.data.mnist import MNIST_FILES, load_mnist_sample
from torchbudget.data.split import split_train_val
from torchbudget.declare.budget import BatchNorm, Budget, Dropout, GlobalAveragePooling
from torchbudget.declare.entry import Entry, describe
from torchbudget.evidence import machine
from torchbudget.evidence.measure import Measurement, measure
from torchbudget.evidence.results import Digests, Epoch, Hardware, Run, Score, run_stem, seal
from torchbudget.evidence.weights import save_weights
from torchbudget.network.structure import count_multiply_adds, count_params, network_digest
from torchbudget.network.trace import build
from utils.recipe import SGD, Constant, Recipe

ROOT = Path(__file__).resolve().parent.parent

if (
    "PYTEST_XDIST_WORKER" in os.environ
):  # a worker a core, and a thread a worker, in what the tests start too
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)

settings.register_profile(
    "laws", deadline=None, derandomize=True, max_examples=60, phases=set(Phase) - {Phase.explain}
)
settings.load_profile("laws")


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
        dataset="mnist_sample",
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
def _untrained(network: type, seed: int) -> tuple[torch.nn.Module, Measurement]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made = network().eval()
    return made, measure(made, _sample().test)


@functools.cache
def _split(val_images: int) -> tuple:
    return split_train_val(_sample(), val_images)


@functools.cache
def _network_digest(network: type) -> str:
    return network_digest(build(network))


@functools.cache
def _machine() -> dict:
    return {
        "commit": machine.commit(ROOT),
        "versions": machine.versions(),
        "hardware": Hardware(**machine.hardware("cpu")),
    }


class RunMaker:
    """Makes the record of a run of an entry that was never trained: first weights, everything measured on the sample."""

    def __init__(self, weights: Path) -> None:
        self.weights = weights

    def __call__(self, entry: Entry, seed: int = 0, **changes: object) -> Run:
        """The sealed run, `changes` made before the seal; its weights are in `self.weights`."""
        recipe, (train, val) = entry.recipe, _split(entry.recipe.val_images)
        network, found = self.network(entry, seed), self.measurement(entry, seed)
        found_val = measure(network, val) if len(val) else None
        plain = Run(
            entry=entry.name,
            seed=seed,
            dataset="mnist_sample",
            overrides=[],
            recipe=describe(recipe),
            params=count_params(network),
            multiply_adds=count_multiply_adds(network),
            precision="fp32",
            train_images=len(train),
            val_images=len(val),
            batch_size=recipe.batch_size,
            steps=recipe.epochs * (len(train) // recipe.batch_size),
            test_reads=1,
            val=found_val and Score(misses=found_val.misses, total=found_val.total),
            test=Score(misses=found.misses, total=found.total),
            confusion=found.confusion,
            missed={str(index): digit for index, digit in found.missed.items()},
            history=[_epoch(number, found_val) for number in range(recipe.epochs)],
            train_seconds=1.5,
            total_seconds=2.5,
            started="2026-01-01T00:00:00+00:00",
            **_machine(),
            digests=Digests(
                network=_network_digest(entry.network),
                train=train.digest,
                val=val.digest if len(val) else None,
                test=_sample().test.digest,
                weights=save_weights(
                    self.weights / f"{run_stem(entry.name, seed, 'mnist_sample', [])}.safetensors",
                    network,
                ),
                predictions=found.digest,
            ),
        )
        return seal(msgspec.structs.replace(plain, **changes))

    def network(self, entry: Entry, seed: int = 0) -> torch.nn.Module:
        return _untrained(entry.network, seed)[0]

    def measurement(self, entry: Entry, seed: int = 0) -> Measurement:
        """The run's network on the sample's test images."""
        return _untrained(entry.network, seed)[1]


def _epoch(number: int, found_val: Measurement | None) -> Epoch:
    val_loss, val_misses = (
        (round(found_val.loss, 6), found_val.misses) if found_val else (None, None)
    )
    return Epoch(
        train_loss=round(2.3 / (number + 1), 6),
        val_loss=val_loss,
        val_misses=val_misses,
        lr=0.05,
        seconds=0.75,
    )


@pytest.fixture
def make_run(tmp_path: Path) -> RunMaker:
    return RunMaker(tmp_path / "weights")


# --- files in MNIST's form ---------------------------------------------------------------------------------------------


def idx(array: torch.Tensor) -> bytes:
    """A uint8 tensor as the IDX file of that shape."""
    return (
        struct.pack(f">{array.ndim + 1}I", 0x800 + array.ndim, *array.shape)
        + array.numpy().tobytes()
    )


@pytest.fixture
def contents(sample) -> dict[str, bytes]:
    """The four files of a data set in MNIST's form, of the sample's images."""
    parts = [
        part
        for images in (sample.train, sample.test)
        for part in (images.pixels[:, 0], images.labels.to(torch.uint8))
    ]
    return dict(zip(MNIST_FILES, map(idx, parts), strict=True))


@pytest.fixture
def raw(tmp_path, contents, monkeypatch) -> Path:
    """The folder of a root that holds `contents`, gzipped, their digests pinned in the place of MNIST's."""
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for name, (header, _) in MNIST_FILES.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(contents[name], 1))
        monkeypatch.setitem(MNIST_FILES, name, (header, hashlib.sha256(contents[name]).hexdigest()))
    return folder


# --- a zoo trained for real -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def trained_zoo(tmp_path_factory) -> Path:
    """A folder with `zoo.py` (one entry, `tiny`, two seeds), its results.json and weights/, as train.py left them. Copy it before changing it."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copy(ROOT / "tests" / "tiny_zoo.py", folder / "zoo.py")
    for seed in range(2):
        subprocess.run(
            [sys.executable, ROOT / "train.py", "tiny", "--zoo", "zoo.py", "--seed", str(seed)],
            cwd=folder,
            check=True,
            capture_output=True,
        )
    return folder


@pytest.fixture
def zoo(trained_zoo, tmp_path):
    """A copy of the trained zoo, free to be tampered with."""
    shutil.copytree(trained_zoo, tmp_path / "zoo")
    return tmp_path / "zoo"
