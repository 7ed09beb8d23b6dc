"""Data sets that torchvision knows by name, read whole into memory."""

import io
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from torchbudget.data.arrays import to_images
from torchbudget.data.images import Dataset, Images, ImageSpec
from torchbudget.data.memory import check_memory
from torchbudget.data.mnist import ADVICE, FASHION_MNIST, MNIST, find_root, may_download
from torchbudget.data.spec import DataSpec, Place
from torchbudget.errors import DataError, DeclarationError

SPECS = {
    "CIFAR10": ImageSpec((3, 32, 32), 10),
    "CIFAR100": ImageSpec((3, 32, 32), 100),
    "KMNIST": ImageSpec((1, 28, 28), 10),
    "QMNIST": ImageSpec((1, 28, 28), 10),
    "SVHN": ImageSpec((3, 32, 32), 10),
    "STL10": ImageSpec((3, 96, 96), 10),
    "USPS": ImageSpec((1, 16, 16), 10),
}
"""The form of each: (channels, height, width) and the number of classes."""
BY_SPLIT = ("SVHN", "STL10")
"""Those whose parts torchvision names `split="train"` and not `train=True`."""
VERIFIED = {"MNIST": MNIST, "FashionMNIST": FASHION_MNIST}
"""Those that are read without torchvision and verified by digest."""


@dataclass(frozen=True)
class TorchvisionLoader:
    """Reads torchvision's class `name` from a torchvision root, downloaded where that may be."""

    name: str

    def __call__(self, place: Place) -> Dataset:
        root, download = find_root(place.root), may_download(place.root)
        train = self._read(root, download, train=True)
        if not place.with_test:
            return Dataset(self.name.lower(), train, train[torch.arange(0)])
        test = self._read(root, download, train=False)
        return Dataset(self.name.lower(), train, test)

    def _read(self, root: Path, download: bool, train: bool) -> Images:
        """One part, of the declared form."""
        try:
            from torchvision import datasets
        except ImportError as error:
            raise DataError(
                f"{self.name} is read by torchvision, which is not installed: "
                'pip install "torchbudget[images]"'
            ) from error
        part: dict[str, object] = {"train": train}
        if self.name in BY_SPLIT:
            part = {"split": "train" if train else "test"}
        try:
            with redirect_stdout(io.StringIO()):
                read = getattr(datasets, self.name)(str(root), download=download, **part)
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            reason = str(error).strip().splitlines()[-1] if str(error).strip() else repr(error)
            raise DataError(
                f"{self.name} is not to be had in {root} ({reason}); point MNIST_ROOT or "
                "--data-root at a torchvision root that holds it, or leave it unset to download"
            ) from error
        pixels = torch.as_tensor(np.asarray(read.data))
        labels = torch.as_tensor(np.asarray(getattr(read, "targets", getattr(read, "labels", ()))))
        if labels.ndim == 2:
            labels = labels[:, 0]  # QMNIST's first column is the digit
        image = SPECS[self.name]
        check_memory(self.name, pixels.numel())
        if pixels.ndim == 3:
            pixels = pixels.unsqueeze(1)
        elif pixels.shape[1:] != image.shape:
            pixels = pixels.permute(0, 3, 1, 2)
        return to_images(self.name, pixels, labels, image)


def torchvision(
    name: str,
    mean: tuple[float, ...] | None = None,
    std: tuple[float, ...] | None = None,
) -> DataSpec:
    """The data set that torchvision calls `name`, such as "CIFAR100".

    `mean` and `std`, one number a channel for pixels in [0, 1], say how the network's input is
    normalised; without them they are measured on the training images. Raises `DeclarationError`
    for a name that is not offered.
    """
    if name in VERIFIED:
        return with_statistics(VERIFIED[name], mean, std)
    if name not in SPECS:
        raise DeclarationError(
            f"data.torchvision: no data set {name!r}; there are {', '.join([*VERIFIED, *SPECS])}"
        )
    spec = DataSpec(
        name=name.lower(), load=TorchvisionLoader(name), image=SPECS[name], advice=ADVICE
    )
    return with_statistics(spec, mean, std)


def with_statistics(
    spec: DataSpec, mean: tuple[float, ...] | None, std: tuple[float, ...] | None
) -> DataSpec:
    """`spec` with another normalisation, where one is given."""
    if mean is None and std is None:
        return spec
    if spec.image is None:
        raise DeclarationError(f"{spec.name}: mean and std need the form of the images")
    return replace(spec, image=replace(spec.image, mean=mean, std=std))
