"""Images as `uint8` tensors in memory, the form that they share, and the data sets they make up."""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from torchbudget.errors import DeclarationError

BYTE = 256
"""Classes that a byte can tell apart: labels of more are hashed as four bytes each."""


@dataclass(frozen=True)
class ImageSpec:
    """The form of every image of a data set: `shape` is (channels, height, width).

    `mean` and `std`, one number a channel for pixels in [0, 1], are what a network's input is
    normalised by; where they are None, they are measured on the training images.
    """

    shape: tuple[int, int, int]
    num_classes: int
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        whole = isinstance(self.shape, tuple) and all(type(side) is int for side in self.shape)
        if not whole or len(self.shape) != 3 or min(self.shape) < 1:
            self._reject(f"shape must be (channels, height, width), not {self.shape!r}")
        if type(self.num_classes) is not int or self.num_classes < 2:
            self._reject(f"num_classes must be at least 2, not {self.num_classes!r}")
        if (self.mean is None) != (self.std is None):
            self._reject("mean and std are given together or not at all")
        for name in ("mean", "std"):
            self._check_statistics(name)

    def _check_statistics(self, name: str) -> None:
        values = getattr(self, name)
        if values is None:
            return
        numbers = isinstance(values, tuple) and all(
            isinstance(value, (int, float)) and not isinstance(value, bool) for value in values
        )
        if not numbers or len(values) != self.shape[0]:
            self._reject(f"{name} must hold a number for each of {self.shape[0]} channels")
        if name == "std" and min(values) <= 0:
            self._reject(f"std must be above 0, not {values!r}")

    def _reject(self, message: str) -> None:
        raise DeclarationError(f"ImageSpec: {message}")

    def describe(self) -> str:
        """As people read it: "3x32x32, 100 classes"."""
        return f"{'x'.join(map(str, self.shape))}, {self.num_classes} classes"

    def normalise(self, images: torch.Tensor) -> torch.Tensor:
        """Float images (N, C, H, W) in [0, 1], less the mean and by the deviation; in place."""
        if self.mean is None or self.std is None:
            raise ValueError("mean and std are not known before the training images are read")
        if len(self.mean) == 1:
            return images.sub_(self.mean[0]).div_(self.std[0])
        mean, std = (
            torch.tensor(values, dtype=images.dtype, device=images.device).view(-1, 1, 1)
            for values in (self.mean, self.std)
        )
        return images.sub_(mean).div_(std)


@dataclass(frozen=True, eq=False)
class Images:
    """`pixels`: uint8 (N, C, H, W); `labels`: int64 (N,); `image`: the form of each."""

    pixels: torch.Tensor
    labels: torch.Tensor
    image: ImageSpec

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: torch.Tensor) -> "Images":
        return Images(self.pixels[index], self.labels[index], self.image)

    def to(self, device: torch.device) -> "Images":
        return Images(self.pixels.to(device), self.labels.to(device), self.image)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of all pixels, then all labels (see `label_bytes`)."""
        sha = hashlib.sha256(self.pixels.contiguous().numpy().tobytes())
        sha.update(label_bytes(self.labels, self.image.num_classes))
        return sha.hexdigest()


def label_bytes(labels: torch.Tensor, num_classes: int) -> bytes:
    """Labels or predictions (N,) as bytes: one each up to 256 classes, above that four each."""
    if num_classes <= BYTE:
        return labels.to(torch.uint8).numpy().tobytes()
    return labels.numpy().astype("<i4").tobytes()


def as_floats(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (N, C, H, W) -> float32 in [0, 1]."""
    return pixels.float().div_(255)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named data set. `test` is read once, by the final weights."""

    name: str
    train: Images
    test: Images

    @property
    def image(self) -> ImageSpec:
        return self.train.image

    def without_test(self) -> "Dataset":
        """The same training images, and no test images."""
        return replace(self, test=self.train[torch.arange(0)])

    def with_image(self, image: ImageSpec) -> "Dataset":
        """The same images with another `ImageSpec`, such as one that knows mean and deviation."""
        parts = {name: replace(getattr(self, name), image=image) for name in ("train", "test")}
        return replace(self, **parts)
