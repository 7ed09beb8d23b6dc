"""The fixed, recorded parting of training images into train and val."""

import hashlib

import torch

from torchbudget.data.images import Dataset, Images
from torchbudget.errors import DataError


def fixed_permutation(name: str, count: int) -> list[int]:
    """The indices 0..count-1 in a fixed random order that depends on nothing but `name`: sorted by SHA-256."""
    return sorted(
        range(count), key=lambda index: hashlib.sha256(f"{name}:{index}".encode()).digest()
    )


def split_train_val(dataset: Dataset, val_images: int) -> tuple[Images, Images]:
    """The recorded split of `dataset.train`: the first `val_images` of its dealt order are val, the rest is trained on."""
    if val_images >= len(dataset.train):
        raise DataError(
            f"{dataset.name} has {len(dataset.train)} training images; {val_images} for val leave none to train on"
        )
    order = torch.tensor(fixed_permutation(dataset.name, len(dataset.train)))
    return dataset.train[order[val_images:].sort().values], dataset.train[
        order[:val_images].sort().values
    ]
