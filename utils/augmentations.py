"""The augmentations that a recipe can name, each with what it does to a batch.

All work on whole batches on the device that trains: float images (N, C, H, W) in [0, 1], every
image with a draw of its own. Every draw comes from the generator that the caller passes, so a seed
fixes the augmented batch. Where nothing else is said, all channels of an image change alike.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from torchbudget.data.images import ImageSpec
from torchbudget.declare.validation import check, check_counts, reject
from utils.augmentation import Augmentation, augment_batches
from utils.geometry import (
    crop_windows,
    draw_affine_grid,
    draw_boxes,
    draw_elastic_grid,
    draw_uniform,
    sample,
)
from utils.patches import Darken, Squeeze, Swell

__all__ = [
    "Affine",
    "Augmentation",
    "Cutout",
    "Darken",
    "Elastic",
    "Erase",
    "Flip",
    "Jitter",
    "PadCrop",
    "Squeeze",
    "Swell",
    "augment_batches",
]


@dataclass(frozen=True, kw_only=True)
class Affine(Augmentation):
    """Rotate and shear by up to +- degrees, translate by up to +- a share of the side, and scale.

    The translation is along the rotated axes; the scale is within 1 +- `scale`.
    """

    rotate: float = 0.0
    translate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0

    def __post_init__(self) -> None:
        check(self, rotate=(0, 180), translate=(0, 1), scale=(0, 0.99), shear=(0, 80))

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        grid = draw_affine_grid(
            images, generator, self.rotate, self.translate, self.scale, self.shear
        )
        return sample(images, grid)


@dataclass(frozen=True, kw_only=True)
class Elastic(Augmentation):
    """Move every pixel its own way, neighbours alike (Simard et al. 2003).

    The moves are noise smoothed by a Gaussian of `sigma` pixels, times `alpha`, in the units of
    torchvision's `ElasticTransform`: with `sigma` 4, the moves along an axis have a standard
    deviation of `alpha` / 49 pixels.
    """

    alpha: float = 40.0
    sigma: float = 4.0

    def __post_init__(self) -> None:
        check(self, alpha=(0, 1_000), sigma=(0.5, 6))

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        return sample(images, draw_elastic_grid(images, generator, self.alpha, self.sigma))


@dataclass(frozen=True, kw_only=True)
class Flip(Augmentation):
    """With probability `p`, mirror left and right: for clothes, not for digits."""

    p: float = 0.5

    def __post_init__(self) -> None:
        check(self, p=(0, 1))

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        flipped = draw_uniform(images, generator, 0, 1) < self.p
        return torch.where(flipped.view(-1, 1, 1, 1), images.flip(3), images)


@dataclass(frozen=True, kw_only=True)
class PadCrop(Augmentation):
    """Pad by `padding` black pixels on each side, then crop the old size at a random place."""

    padding: int = 4

    def __post_init__(self) -> None:
        check_counts(self, "padding")

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        num_images, _, height, width = images.shape
        top, left = torch.randint(
            0, 2 * self.padding + 1, (2, num_images), generator=generator, device=images.device
        )
        return crop_windows(F.pad(images, [self.padding] * 4), top, left, (height, width))


@dataclass(frozen=True, kw_only=True)
class Jitter(Augmentation):
    """Brightness times 1 +- `brightness`, then contrast about the image's mean, 1 +- `contrast`."""

    brightness: float = 0.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        check(self, brightness=(0, 1), contrast=(0, 1))

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        shape = (1, 1, 1)
        brightness = draw_uniform(
            images, generator, 1 - self.brightness, 1 + self.brightness, *shape
        )
        contrast = draw_uniform(images, generator, 1 - self.contrast, 1 + self.contrast, *shape)
        images = (images * brightness).clamp(0, 1)
        mean = images.mean((1, 2, 3), keepdim=True)
        return ((images - mean) * contrast + mean).clamp(0, 1)


@dataclass(frozen=True, kw_only=True)
class Cutout(Augmentation):
    """With probability `p`, blacken a square of `size` pixels inside the image.

    After DeVries & Taylor 2017, whose square may reach over the edge.
    """

    size: int = 8
    p: float = 0.5

    def __post_init__(self) -> None:
        check_counts(self, "size")
        check(self, p=(0, 1))

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        num_images, _, height, width = images.shape
        sizes = torch.full((num_images,), self.size, device=images.device)
        hit = draw_uniform(images, generator, 0, 1, 1, 1, 1) < self.p
        boxes = draw_boxes(images, sizes.clamp(max=height), sizes.clamp(max=width), generator)
        return images.masked_fill(boxes & hit, 0.0)


@dataclass(frozen=True, kw_only=True)
class Erase(Augmentation):
    """With probability `p`, fill a rectangle with `value` (Zhong et al. 2017).

    Area and aspect ratio are drawn as torchvision's `RandomErasing` draws them. `value` is one
    number, or one for each channel; None is the mean of the data set's training images.
    """

    p: float = 0.5
    min_area: float = 0.02
    max_area: float = 0.33
    min_ratio: float = 0.3
    max_ratio: float = 3.3
    value: float | tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        shares = dict.fromkeys(("p", "min_area", "max_area"), (0, 1))
        check(self, **shares, min_ratio=(0.01, 100), max_ratio=(0.01, 100))
        if self.min_area > self.max_area or self.min_ratio > self.max_ratio:
            reject(self, "a minimum is above its maximum")
        if isinstance(self.value, tuple):
            if not all(isinstance(value, float | int) and 0 <= value <= 1 for value in self.value):
                reject(self, f"value must hold numbers from 0 to 1, not {self.value!r}")
        elif self.value is not None:
            check(self, value=(0, 1))

    def fit(self, image: ImageSpec) -> "Erase":
        """With the mean of the training images as its value, if it has none of its own."""
        if self.value is not None:
            return self
        if image.mean is None:
            raise ValueError("Erase needs a value: the mean of the training images is not known")
        return replace(self, value=image.mean)

    def apply(
        self, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
    ) -> torch.Tensor:
        if self.value is None:
            raise ValueError("Erase has no value yet: call fit with the form of the images")
        tall, wide, fits = self._draw_sizes(images, generator)
        hit = (draw_uniform(images, generator, 0, 1) < self.p) & fits
        boxes = draw_boxes(images, tall, wide, generator)
        value = images.new_tensor(self.value).view(-1, 1, 1)  # (1 or C, 1, 1)
        return torch.where(boxes & hit.view(-1, 1, 1, 1), value, images)

    def _draw_sizes(
        self, images: torch.Tensor, generator: torch.Generator
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Height, width and whether any fits (N,): the first of ten draws that is smaller."""
        height, width = images.shape[2:]
        area = draw_uniform(images, generator, self.min_area, self.max_area, 10) * height * width
        low, high = math.log(self.min_ratio), math.log(self.max_ratio)
        ratio = torch.exp(draw_uniform(images, generator, low, high, 10))
        tall = (area * ratio).sqrt().round().long()  # (N, 10)
        wide = (area / ratio).sqrt().round().long()
        fits = (tall < height) & (wide < width)
        first = fits.int().argmax(1, keepdim=True)
        tall = tall.gather(1, first).flatten().clamp(max=height)
        wide = wide.gather(1, first).flatten().clamp(max=width)
        return tall, wide, fits.any(1)
