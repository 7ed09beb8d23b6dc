"""Images as `uint8` tensors in memory, and the data sets that they form."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch

MEAN, STD = 0.1307, 0.3081  # of MNIST's training pixels in [0, 1]


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
