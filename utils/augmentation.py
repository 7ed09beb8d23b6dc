"""What every augmentation is, and how several are applied to batches."""

from dataclasses import dataclass
from typing import ClassVar

import torch

from torchbudget.data.images import ImageSpec


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """A random change of a batch of images."""

    by_batch: ClassVar[bool] = False
    """Whether it chooses among the images of a batch, so that it needs one batch at a time."""

    def fit(self, image: ImageSpec) -> "Augmentation":
        """The augmentation with what it leaves to the data set filled in."""
        return self

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        """New images (N, C, H, W) in [0, 1]; `images`, of the classes `labels` (N,), stay."""
        raise NotImplementedError


def augment_batches(
    augmentations: tuple[Augmentation, ...],
    images: torch.Tensor,
    labels: torch.Tensor,
    batch_size: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """Apply each augmentation in turn to `images` (N, C, H, W), one batch after another.

    `images` in [0, 1] and `labels` (N,) are as many batches of `batch_size` as they hold. The
    result is new; `images` stays as it is.
    """
    for augmentation in augmentations:
        if not augmentation.by_batch:
            images = augmentation.apply(images, labels, generator)
            continue
        batches = zip(images.split(batch_size), labels.split(batch_size), strict=True)
        images = torch.cat([augmentation.apply(*batch, generator) for batch in batches])
    return images
