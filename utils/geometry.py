"""Where the pixels of an augmented image come from: sampling grids, windows and boxes.

A sampling grid (N, 2, H, W) holds, for each pixel, the point (x, y) of the image that it is read
from; -1 and 1 are the edges of the image. All functions take images (N, C, H, W) and draw for each
image by itself.
"""

import math
from collections.abc import Callable
from functools import cache

import torch
import torch.nn.functional as F


def draw_uniform(
    images: torch.Tensor, generator: torch.Generator, low: float, high: float, *shape: int
) -> torch.Tensor:
    """(N, *shape) floats, uniform in [low, high)."""
    draws = torch.rand(len(images), *shape, generator=generator, device=images.device)
    return draws * (high - low) + low


def sample(images: torch.Tensor, grid: torch.Tensor) -> torch.Tensor:
    """Each pixel read bilinearly at its point of `grid` (N, 2, H, W); outside is black."""
    return F.grid_sample(images, grid.permute(0, 2, 3, 1), align_corners=False)


def draw_affine_grid(
    images: torch.Tensor,
    generator: torch.Generator,
    rotate: float,
    translate: float,
    scale: float,
    shear: float,
) -> torch.Tensor:
    """A sampling grid (N, 2, H, W) within the bounds that `utils.augmentations.Affine` names."""
    turn = math.radians(rotate)
    lean = math.radians(shear)
    angles = draw_uniform(images, generator, -turn, turn)
    shears = torch.tan(draw_uniform(images, generator, -lean, lean))
    scales = draw_uniform(images, generator, 1 - scale, 1 + scale)
    shifts = draw_uniform(images, generator, -2 * translate, 2 * translate, 2)  # the side is 2
    cos = torch.cos(angles) / scales
    sin = torch.sin(angles) / scales
    rows = [cos, cos * shears - sin, shifts[:, 0], sin, sin * shears + cos, shifts[:, 1]]
    matrices = torch.stack(rows, dim=1).view(-1, 3)  # (2 N, 3)
    height, width = images.shape[2:]
    return (matrices @ _pixel_centres(images).flatten(1)).view(-1, 2, height, width)


def draw_elastic_grid(
    images: torch.Tensor, generator: torch.Generator, alpha: float, sigma: float
) -> torch.Tensor:
    """A sampling grid (N, 2, H, W) displaced by blurred noise: `utils.augmentations.Elastic`."""
    height, width = images.shape[2:]
    blur_rows = _blur_matrix(height, sigma).to(images.device)
    blur_columns = _blur_matrix(width, sigma).to(images.device)
    noise = draw_uniform(images, generator, -1, 1, 2, height, width)
    in_grid_units = alpha / noise.new_tensor([width, height]).view(2, 1, 1)
    displacements = (blur_rows @ (noise @ blur_columns.T)) * in_grid_units
    return _pixel_centres(images)[:2] + displacements


def _pixel_centres(images: torch.Tensor) -> torch.Tensor:
    """(3, H, W): x, y and 1 of the middle of each pixel."""
    height, width = images.shape[2:]
    x = (torch.arange(width, device=images.device) * 2 + 1) / width - 1
    y = (torch.arange(height, device=images.device) * 2 + 1) / height - 1
    ones = torch.ones(height, width, device=images.device)
    return torch.stack([x.expand(height, width), y[:, None].expand(height, width), ones])


@cache
def _blur_matrix(side: int, sigma: float) -> torch.Tensor:
    """(side, side): times a column, it is the column blurred as `ElasticTransform` blurs it.

    The kernel size is torchvision's, the next odd integer from 8 sigma + 1 on.
    """
    from torchvision.transforms.v2.functional import gaussian_blur

    size = int(8 * sigma + 1) // 2 * 2 + 1
    return gaussian_blur(torch.eye(side)[None], [1, size], [1.0, sigma])[0]


def crop_windows(
    images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """(N, C, *size) windows of `images` whose corners are at `top`, `left` (N,)."""
    channels, _, width = images.shape[1:]
    rows = torch.arange(size[0], device=images.device)
    columns = torch.arange(size[1], device=images.device)
    offsets = (rows[:, None] * width + columns).flatten()
    index = (top * width + left)[:, None] + offsets  # (N, h * w)
    index = index[:, None].expand(-1, channels, -1)
    return images.flatten(2).gather(2, index).unflatten(2, size)


def brighten_patches(
    images: torch.Tensor,
    chosen: torch.Tensor,
    size: int,
    change: Callable[[torch.Tensor], torch.Tensor],
    generator: torch.Generator,
) -> torch.Tensor:
    """Make a random patch of each chosen image the brighter of itself and `change(patches)`.

    `patches` are (n, C, size, size); what `change` returns need only broadcast with them.
    """
    height, width = images.shape[2:]
    count, device = (len(chosen),), images.device
    top = torch.randint(0, max(height - size, 1), count, generator=generator, device=device)
    left = torch.randint(0, max(width - size, 1), count, generator=generator, device=device)
    patches = crop_windows(images[chosen], top, left, (size, size))
    brighter = torch.maximum(patches, change(patches))
    offsets = torch.arange(size, device=device)
    rows = (top[:, None] + offsets)[:, None, :, None]
    columns = (left[:, None] + offsets)[:, None, None, :]
    channels = torch.arange(images.shape[1], device=device)[None, :, None, None]
    images = images.clone()
    images[chosen[:, None, None, None], channels, rows, columns] = brighter
    return images


def draw_boxes(
    images: torch.Tensor, tall: torch.Tensor, wide: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """(N, 1, H, W) bool: a `tall` x `wide` (N,) box at a random place wholly inside each image."""
    height, width = images.shape[2:]
    top = (draw_uniform(images, generator, 0, 1) * (height - tall + 1)).long()[:, None]
    left = (draw_uniform(images, generator, 0, 1) * (width - wide + 1)).long()[:, None]
    y = torch.arange(height, device=images.device)
    x = torch.arange(width, device=images.device)
    rows = (y >= top) & (y < top + tall[:, None])  # (N, H)
    columns = (x >= left) & (x < left + wide[:, None])  # (N, W)
    return (rows[:, :, None] & columns[:, None, :])[:, None]
