"""What a data set is: the form of its images, and where they come from."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from torchbudget.data.images import Dataset, ImageSpec
from torchbudget.errors import DataError, DeclarationError

NAME = re.compile("[a-z0-9][a-z0-9_]*")


@dataclass(frozen=True)
class Place:
    """Where a loader looks: `root` is a torchvision root, `folder` the zoo file's.

    Without `with_test`, no test image is wanted: a loader that has them in a file of their own
    leaves it closed.
    """

    root: Path | None = None
    folder: Path = field(default_factory=Path)
    with_test: bool = True


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A data set by name, and how it is loaded; two of the same name and loader are equal.

    `load` gives the data set at a `Place`, or raises `DataError`. `image` is the form of its
    images where that is known before they are read; a network is then judged without them.

    `near` is the cosine from which two images of ink on an empty ground count as the same one
    (see `torchbudget.data.likeness`); where it is None, that limit is derived from the training
    images. `known_duplicates` are pairs that exceed it by nature, by the first 16 digits of the
    SHA-256 of their pixels. `stand_in` is what may be trained on, under a name of its
    own, where this one is neither here nor to be downloaded. `advice` is what to do then.
    """

    name: str
    load: Callable[[Place], Dataset]
    image: ImageSpec | None = None
    near: float | None = None
    known_duplicates: frozenset[frozenset[str]] = frozenset()
    stand_in: "DataSpec | None" = None
    advice: str = "check the path that the zoo file gives"

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not NAME.fullmatch(self.name):
            raise DeclarationError(
                "DataSpec: name must be of lower-case letters, digits and underscores "
                f"(it names files), not {self.name!r}"
            )
        if not callable(self.load):
            raise DeclarationError(f"DataSpec: load must be a function, not {self.load!r}")
        if not isinstance(self.image, ImageSpec | None):
            raise DeclarationError(f"DataSpec: image must be an ImageSpec, not {self.image!r}")


def load_declared(spec: DataSpec, place: Place) -> Dataset:
    """The data set that `spec` declares, its images of the form declared; raises `DataError`.

    Its `test` is empty where the place is without.
    """
    dataset = spec.load(place)
    if not place.with_test:
        dataset = dataset.without_test()
    found, declared = dataset.image, spec.image
    if declared and (declared.shape, declared.num_classes) != (found.shape, found.num_classes):
        raise DataError(
            f"{spec.name} has images {found.describe()}, the zoo file declares "
            f"{declared.describe()}; correct one of them"
        )
    image = declared if declared and declared.mean else found
    return dataset.with_image(image if image.mean else measure_statistics(dataset))


def measure_statistics(dataset: Dataset) -> ImageSpec:
    """The data set's `ImageSpec` with mean and deviation of each channel of its training images."""
    pixels = dataset.train.pixels
    levels = torch.arange(256, dtype=torch.float64) / 255
    means, deviations = [], []
    for channel in range(pixels.shape[1]):
        counts = torch.bincount(pixels[:, channel].flatten(), minlength=256).double()
        share = counts / counts.sum()
        mean = float((share * levels).sum())
        variance = float((share * (levels - mean) ** 2).sum())
        means.append(round(mean, 6))
        deviations.append(round(variance**0.5, 6) or 1.0)
    return replace(dataset.image, mean=tuple(means), std=tuple(deviations))
