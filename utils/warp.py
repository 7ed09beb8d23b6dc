"""Images moved pixel by pixel: where an affine or an elastic augmentation takes each pixel from. A place is (x, y), -1 to 1 from edge to edge."""

import math
from functools import cache

import torch
import torch.nn.functional as F

from utils.augmentations import Affine, Elastic


def draw_uniform(
    images: torch.Tensor, generator: torch.Generator, low: float, high: float, *shape: int
) -> torch.Tensor:
    """(N, *shape) floats for N `images`, uniform in [low, high)."""
    return (
        torch.rand(len(images), *shape, generator=generator, device=images.device) * (high - low)
        + low
    )


def take(images: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """`images` (N, 1, H, W) with each pixel read, bilinearly, at its place (N, 2, H, W); outside is black."""
    return F.grid_sample(images, places.permute(0, 2, 3, 1), align_corners=False)


def affine_places(op: Affine, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(N, 2, H, W): a draw for each image."""
    angle = draw_uniform(images, generator, -math.radians(op.rotate), math.radians(op.rotate))
    shear = torch.tan(
        draw_uniform(images, generator, -math.radians(op.shear), math.radians(op.shear))
    )
    scale = draw_uniform(images, generator, 1 - op.scale, 1 + op.scale)
    shift = draw_uniform(images, generator, -2 * op.translate, 2 * op.translate, 2)  # the side is 2
    cos, sin = torch.cos(angle) / scale, torch.sin(angle) / scale
    theta = torch.stack(
        [cos, cos * shear - sin, shift[:, 0], sin, sin * shear + cos, shift[:, 1]], dim=1
    )
    return (theta.view(-1, 3) @ _still_places(images).flatten(1)).view(-1, 2, *images.shape[2:])


def elastic_places(op: Elastic, images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """(N, 2, H, W): a draw for each image."""
    height, width = images.shape[2:]
    rows, columns = (_blur(side, op.sigma).to(images.device) for side in (height, width))
    noise = draw_uniform(images, generator, -1, 1, 2, height, width)
    return _still_places(images)[:2] + (rows @ (noise @ columns.T)) * (
        op.alpha / noise.new_tensor([width, height]).view(2, 1, 1)
    )


def _still_places(images: torch.Tensor) -> torch.Tensor:
    """(3, H, W): x, y and 1 of the middle of each pixel."""
    height, width = images.shape[2:]
    x, y = (
        (torch.arange(side, device=images.device) * 2 + 1) / side - 1 for side in (width, height)
    )
    return torch.stack(
        [
            x.expand(height, width),
            y[:, None].expand(height, width),
            torch.ones(height, width, device=images.device),
        ]
    )


@cache
def _blur(side: int, sigma: float) -> torch.Tensor:
    """(side, side): times a column of `side` numbers, it is the column blurred as torchvision's `ElasticTransform` blurs."""
    from torchvision.transforms.v2.functional import gaussian_blur

    return gaussian_blur(torch.eye(side)[None], [1, int(8 * sigma + 1) // 2 * 2 + 1], [1.0, sigma])[
        0
    ]
