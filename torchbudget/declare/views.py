"""Test-time augmentation: the views of an image that a prediction averages over."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F

from torchbudget.data.images import ImageSpec
from torchbudget.declare.validation import INFINITY, check, reject

FLIPS = {"vertical": 2, "horizontal": 3}
"""Of each flip, the dimension of (N, C, H, W) that it reverses."""


@dataclass(frozen=True, kw_only=True)
class View:
    """An image flipped, then moved by pixels, turned counter-clockwise by degrees, and scaled.

    By default the image is left as it is. A horizontal flip exchanges left and right.
    """

    right: float = 0.0
    down: float = 0.0
    rotate: float = 0.0
    scale: float = 1.0
    flip: Literal["horizontal", "vertical"] | None = None

    def __post_init__(self) -> None:
        check(self, right=(-INFINITY, INFINITY), down=(-INFINITY, INFINITY))
        check(self, rotate=(-180, 180), scale=(0.5, 2))
        if self.flip not in (None, *FLIPS):
            reject(self, f"flip must be 'horizontal', 'vertical' or None, not {self.flip!r}")

    def check_fits(self, image: ImageSpec) -> None:
        """Raises `DeclarationError` where the view moves images of this form by more than half."""
        _, height, width = image.shape
        for name, side in (("right", width), ("down", height)):
            if abs(getattr(self, name)) > side / 2:
                reject(self, f"{name} must be from {-side / 2:g} to {side / 2:g} pixels")


def transform(view: View, images: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) in [0, 1], as `view` shows it; what comes in from outside is 0."""
    if view.flip:
        images = images.flip(FLIPS[view.flip])
    if view == View(flip=view.flip):
        return images
    height, width = images.shape[2:]
    cos = math.cos(math.radians(view.rotate)) / view.scale
    sin = math.sin(math.radians(view.rotate)) / view.scale
    right, down = 2 * view.right / width, 2 * view.down / height  # the grid's side is 2
    tall = height / width
    rows = [
        [cos, -sin * tall, -cos * right + sin * tall * down],
        [sin / tall, cos, -sin / tall * right - cos * down],
    ]
    theta = torch.tensor(rows, device=images.device).expand(images.shape[0], 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, align_corners=False)
