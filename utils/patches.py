"""Augmentations of some images of each class, chosen in every batch, as in reference 003."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from torchbudget.declare.validation import check, check_counts, reject
from utils.augmentation import Augmentation
from utils.geometry import brighten_patches


@dataclass(frozen=True, kw_only=True)
class Swell(Augmentation):
    """Dilate the strokes in a `size` x `size` patch of `per_class` images of each class.

    The images are chosen in every batch, as in reference 003.
    """

    by_batch = True
    size: int = 7
    kernel: int = 3
    per_class: int = 10

    def __post_init__(self) -> None:
        check_counts(self, "size", "kernel", "per_class")
        if not self.kernel % 2:
            reject(self, f"kernel must be odd, not {self.kernel}")

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        def dilate(patches: torch.Tensor) -> torch.Tensor:
            return F.max_pool2d(patches, self.kernel, stride=1, padding=self.kernel // 2)

        chosen = choose_per_class(labels, self.per_class, generator)
        return brighten_patches(images, chosen, self.size, dilate, generator)


@dataclass(frozen=True, kw_only=True)
class Darken(Augmentation):
    """Multiply a share `fraction` of the bright pixels by `factor`, in images as `Swell` chooses.

    A pixel is bright if the mean of its channels is above 0.5.
    """

    by_batch = True
    fraction: float = 0.15
    factor: float = 0.2
    per_class: int = 10

    def __post_init__(self) -> None:
        check(self, fraction=(0, 1), factor=(0, 1))
        check_counts(self, "per_class")

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        chosen = choose_per_class(labels, self.per_class, generator)
        before = images[chosen]  # (n, C, H, W)
        bright = before.mean(1).flatten(1) > 0.5  # (n, H * W)
        draws = torch.rand(bright.shape, generator=generator, device=images.device)
        rank = draws.masked_fill(~bright, 2.0).argsort(1).argsort(1)  # 0, 1, ... bright ones first
        least = 1 if self.fraction else 0
        num_dark = (bright.sum(1) * self.fraction).long().clamp(min=least)
        dark = (rank < num_dark[:, None]) & bright
        dark = dark.view(len(chosen), 1, *images.shape[2:])
        images = images.clone()
        images[chosen] = torch.where(dark, before * self.factor, before)
        return images


@dataclass(frozen=True, kw_only=True)
class Squeeze(Augmentation):
    """Smear a `size` x `size` patch along its rows or columns, in images as `Swell` chooses."""

    by_batch = True
    size: int = 6
    per_class: int = 10

    def __post_init__(self) -> None:
        check_counts(self, "size", "per_class")

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        def smear(patches: torch.Tensor) -> torch.Tensor:
            draws = torch.rand(len(patches), 1, 1, 1, generator=generator, device=patches.device)
            along_columns = patches.amax(2, keepdim=True)
            along_rows = patches.amax(3, keepdim=True)
            return torch.where(draws < 0.5, along_columns, along_rows)

        chosen = choose_per_class(labels, self.per_class, generator)
        return brighten_patches(images, chosen, self.size, smear, generator)


def choose_per_class(
    labels: torch.Tensor, per_class: int, generator: torch.Generator
) -> torch.Tensor:
    """Indices of `per_class` random images of each label, none of a label that has fewer."""
    order = torch.randperm(len(labels), generator=generator, device=labels.device)
    same = F.one_hot(labels[order])  # (N, classes)
    rank = (same.cumsum(0) * same).sum(1)  # 1, 2, ... within the label
    enough = same.sum(0)[labels[order]] >= per_class
    return order[(rank <= per_class) & enough]
