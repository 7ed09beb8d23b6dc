"""The augmentations that a recipe can name. `utils/augment.py` applies them.

Each acts on a batch of images in [0, 1], and draws for each image by itself.
"""

from dataclasses import dataclass
from typing import ClassVar

from torchbudget.declare.validation import check, check_counts, reject


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """A change to a batch of images, each image its own draw."""

    by_batch: ClassVar[bool] = False
    """Whether it chooses among the images of a batch."""


@dataclass(frozen=True, kw_only=True)
class Affine(Augmentation):
    """Rotation and shear up to +- degrees, translation up to +- a share of the side along the turned axes, scale within 1 +- `scale`."""

    rotate: float = 0.0
    translate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0

    def __post_init__(self) -> None:
        check(self, rotate=(0, 180), translate=(0, 1), scale=(0, 0.99), shear=(0, 80))


@dataclass(frozen=True, kw_only=True)
class Elastic(Augmentation):
    """Each pixel moves its own way, near ones alike: noise smoothed by a Gaussian of `sigma` pixels, times `alpha` (Simard et al. 2003).

    In the units of torchvision's `ElasticTransform`: with `sigma` 4, the moves along an axis have a standard deviation of `alpha` / 49 pixels.
    """

    alpha: float = 40.0
    sigma: float = 4.0

    def __post_init__(self) -> None:
        check(self, alpha=(0, 1_000), sigma=(0.5, 6))


@dataclass(frozen=True, kw_only=True)
class PadCrop(Augmentation):
    """Pad by `padding` black pixels on each side and crop the old size at a random place."""

    padding: int = 4

    def __post_init__(self) -> None:
        check_counts(self, "padding")


@dataclass(frozen=True, kw_only=True)
class Jitter(Augmentation):
    """Brightness times 1 +- `brightness`, then contrast about the image's mean times 1 +- `contrast`."""

    brightness: float = 0.0
    contrast: float = 0.0

    def __post_init__(self) -> None:
        check(self, brightness=(0, 1), contrast=(0, 1))


@dataclass(frozen=True, kw_only=True)
class Cutout(Augmentation):
    """With probability `p` a black square of `size` pixels, wholly inside the image (DeVries & Taylor 2017)."""

    size: int = 8
    p: float = 0.5

    def __post_init__(self) -> None:
        check_counts(self, "size")
        check(self, p=(0, 1))


@dataclass(frozen=True, kw_only=True)
class Erase(Augmentation):
    """With probability `p` a rectangle becomes `value` (Zhong et al. 2017). Area and aspect ratio are drawn as torchvision draws them."""

    p: float = 0.5
    min_area: float = 0.02
    max_area: float = 0.33
    min_ratio: float = 0.3
    max_ratio: float = 3.3
    value: float = 0.1307

    def __post_init__(self) -> None:
        check(
            self,
            p=(0, 1),
            min_area=(0, 1),
            max_area=(0, 1),
            min_ratio=(0.01, 100),
            max_ratio=(0.01, 100),
            value=(0, 1),
        )
        if self.min_area > self.max_area or self.min_ratio > self.max_ratio:
            reject(self, "a minimum is above its maximum")


@dataclass(frozen=True, kw_only=True)
class Swell(Augmentation):
    """Dilate the strokes inside a `size` x `size` patch, in `per_class` images of each digit of the batch (reference 003)."""

    by_batch = True
    size: int = 7
    kernel: int = 3
    per_class: int = 10

    def __post_init__(self) -> None:
        check_counts(self, "size", "kernel", "per_class")
        if not self.kernel % 2:
            reject(self, f"kernel must be odd, not {self.kernel}")


@dataclass(frozen=True, kw_only=True)
class Darken(Augmentation):
    """Times `factor` for a share `fraction` of the bright pixels, in `per_class` images of each digit of the batch (reference 003)."""

    by_batch = True
    fraction: float = 0.15
    factor: float = 0.2
    per_class: int = 10

    def __post_init__(self) -> None:
        check(self, fraction=(0, 1), factor=(0, 1))
        check_counts(self, "per_class")


@dataclass(frozen=True, kw_only=True)
class Squeeze(Augmentation):
    """Smear a `size` x `size` patch along its rows or columns, in `per_class` images of each digit of the batch (reference 003)."""

    by_batch = True
    size: int = 6
    per_class: int = 10

    def __post_init__(self) -> None:
        check_counts(self, "size", "per_class")
