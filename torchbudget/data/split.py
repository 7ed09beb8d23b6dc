"""The fixed, recorded split of training images into train and val."""

import functools
import hashlib

import torch

from torchbudget.data.images import Dataset, Images
from torchbudget.errors import DataError


def fixed_permutation(name: str, count: int) -> list[int]:
    """The indices 0..count-1 in a random order that depends on nothing but `name`.

    They are sorted by the SHA-256 of "name:index".
    """
    return sorted(
        range(count), key=lambda index: hashlib.sha256(f"{name}:{index}".encode()).digest()
    )


@functools.lru_cache(maxsize=4)
def _order(name: str, count: int) -> torch.Tensor:
    """`fixed_permutation` as a tensor; entries that share a data set share it."""
    return torch.tensor(fixed_permutation(name, count), dtype=torch.long)


def split_train_val(dataset: Dataset, val_images: int) -> tuple[Images, Images]:
    """Train and val: the first `val_images` of the fixed permutation of `dataset.train` are val.

    Raises `DataError` where nothing would be left to train on.
    """
    if val_images >= len(dataset.train):
        raise DataError(
            f"{dataset.name} has {len(dataset.train)} training images; "
            f"{val_images} for val leave none to train on"
        )
    order = _order(dataset.name, len(dataset.train))
    val, train = order[:val_images].sort().values, order[val_images:].sort().values
    return dataset.train[train], dataset.train[val]
