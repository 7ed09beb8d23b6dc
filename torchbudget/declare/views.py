"""Test-time augmentation: the views of an image that a prediction averages over."""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from torchbudget.declare.validation import check


@dataclass(frozen=True, kw_only=True)
class View:
    """An image moved by pixels, turned counter-clockwise by degrees and scaled; by default as it is."""

    right: float = 0.0
    down: float = 0.0
    rotate: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        check(self, right=(-14, 14), down=(-14, 14), rotate=(-180, 180), scale=(0.5, 2))


def look(view: View, images: torch.Tensor) -> torch.Tensor:
    """(N, 1, H, W) in [0, 1], as `view` shows it; what comes in from outside is black."""
    if view == View():
        return images
    height, width = images.shape[2:]
    cos, sin = (turn(math.radians(view.rotate)) / view.scale for turn in (math.cos, math.sin))
    right, down = 2 * view.right / width, 2 * view.down / height  # the grid's side is 2
    rows = [[cos, -sin, -cos * right + sin * down], [sin, cos, -sin * right - cos * down]]
    theta = torch.tensor(rows, device=images.device).expand(len(images), 2, 3)
    return F.grid_sample(
        images, F.affine_grid(theta, list(images.shape), align_corners=False), align_corners=False
    )
