"""Augmentation of whole batches on the device that trains: float images (N, 1, H, W) in [0, 1], each image its own draw.

Every draw comes from the generator that the caller passes, so a seed fixes the augmented batch.
`python -m utils.augment` writes a grid with a row for each augmentation.
"""

import argparse
import math
import sys
from functools import singledispatch
from pathlib import Path

import torch
import torch.nn.functional as F

from torchbudget.data.images import as_floats
from torchbudget.data.mnist import load_mnist_sample
from utils.augmentations import (
    Affine,
    Augmentation,
    Cutout,
    Darken,
    Elastic,
    Erase,
    Jitter,
    PadCrop,
    Squeeze,
    Swell,
)
from utils.plots import plot_augmentations, save_figure
from utils.warp import affine_places, draw_uniform, elastic_places, take


def augment_batches(
    augmentations: tuple[Augmentation, ...],
    images: torch.Tensor,
    labels: torch.Tensor,
    size: int,
    generator: torch.Generator,
) -> torch.Tensor:
    """`images` (N, 1, H, W) in [0, 1] with `labels` (N,), a batch of `size` after another, after each augmentation in turn. The input is left as it was."""
    for augmentation in augmentations:
        if augmentation.by_batch:
            batches = zip(images.split(size), labels.split(size), strict=True)
            images = torch.cat([augment(augmentation, *batch, generator) for batch in batches])
        else:
            images = augment(augmentation, images, labels, generator)
    return images


@singledispatch
def augment(
    augmentation: Augmentation,
    images: torch.Tensor,
    labels: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    """`images` after one augmentation; it is registered for each kind that `utils.entry` declares."""
    raise TypeError(f"{augmentation!r} is no augmentation")


@augment.register
def _(
    op: Affine, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    return take(images, affine_places(op, images, generator))


@augment.register
def _(
    op: Elastic, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    return take(images, elastic_places(op, images, generator))


@augment.register
def _(
    op: PadCrop, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    count, _, height, width = images.shape
    corner = torch.randint(
        0, 2 * op.padding + 1, (2, count), generator=generator, device=images.device
    )
    return _patches(F.pad(images, [op.padding] * 4), corner[0], corner[1], (height, width))


@augment.register
def _(
    op: Jitter, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    brightness = draw_uniform(images, generator, 1 - op.brightness, 1 + op.brightness, 1, 1, 1)
    contrast = draw_uniform(images, generator, 1 - op.contrast, 1 + op.contrast, 1, 1, 1)
    images = (images * brightness).clamp(0, 1)
    mean = images.mean((1, 2, 3), keepdim=True)
    return ((images - mean) * contrast + mean).clamp(0, 1)


@augment.register
def _(
    op: Cutout, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    count, _, height, width = images.shape
    size = torch.full((count,), op.size, device=images.device)
    hit = draw_uniform(images, generator, 0, 1) < op.p
    return images.masked_fill(
        _boxes(images, size.clamp(max=height), size.clamp(max=width), generator)
        & hit.view(-1, 1, 1, 1),
        0.0,
    )


@augment.register
def _(
    op: Erase, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    height, width = images.shape[2:]
    area = (
        draw_uniform(images, generator, op.min_area, op.max_area, 10) * height * width
    )  # ten tries, the first that fits
    ratio = torch.exp(
        draw_uniform(images, generator, math.log(op.min_ratio), math.log(op.max_ratio), 10)
    )
    tall, wide = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
    fit = (tall < height) & (wide < width)  # (N, 10)
    first, fits = fit.int().argmax(1, keepdim=True), fit.any(1)
    tall, wide = tall.gather(1, first).flatten(), wide.gather(1, first).flatten()
    hit = (draw_uniform(images, generator, 0, 1) < op.p) & fits
    box = _boxes(images, tall.clamp(max=height), wide.clamp(max=width), generator)
    return images.masked_fill(box & hit.view(-1, 1, 1, 1), op.value)


@augment.register
def _(
    op: Swell, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    chosen = _choose_per_class(labels, op.per_class, generator)
    return _brighten_patches(
        images,
        chosen,
        op.size,
        lambda patches: F.max_pool2d(patches, op.kernel, stride=1, padding=op.kernel // 2),
        generator,
    )


@augment.register
def _(
    op: Squeeze, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    def squeeze(patches: torch.Tensor) -> torch.Tensor:
        upright = (
            torch.rand(len(patches), 1, 1, 1, generator=generator, device=patches.device) < 0.5
        )
        return torch.where(upright, patches.amax(2, keepdim=True), patches.amax(3, keepdim=True))

    return _brighten_patches(
        images, _choose_per_class(labels, op.per_class, generator), op.size, squeeze, generator
    )


@augment.register
def _(
    op: Darken, images: torch.Tensor, labels: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    chosen = _choose_per_class(labels, op.per_class, generator)
    bright = images[chosen].flatten(1) > 0.5  # (n, H*W)
    keys = torch.rand(bright.shape, generator=generator, device=images.device).masked_fill(
        ~bright, 2.0
    )
    num_dark = (bright.sum(1) * op.fraction).long().clamp(min=1 if op.fraction else 0)
    dark = (keys.argsort(1).argsort(1) < num_dark[:, None]) & bright
    images = images.clone()
    images[chosen] = torch.where(
        dark.view(len(chosen), *images.shape[1:]), images[chosen] * op.factor, images[chosen]
    )
    return images


def _choose_per_class(
    labels: torch.Tensor, per_class: int, generator: torch.Generator
) -> torch.Tensor:
    """Indices of `per_class` random images of each label; a label with fewer in the batch gets none, as in reference 003."""
    order = torch.randperm(len(labels), generator=generator, device=labels.device)
    same = F.one_hot(labels[order])  # (N, classes)
    rank = (same.cumsum(0) * same).sum(1)  # 1, 2, ... within the label
    enough = same.sum(0)[labels[order]] >= per_class
    return order[(rank <= per_class) & enough]


def _patches(
    images: torch.Tensor, top: torch.Tensor, left: torch.Tensor, size: tuple[int, int]
) -> torch.Tensor:
    """(N, 1, *size) windows of `images` with corners at `top`, `left` (N,)."""
    width = images.shape[3]
    rows, columns = (torch.arange(side, device=images.device) for side in size)
    index = (top * width + left)[:, None] + (
        rows[:, None] * width + columns
    ).flatten()  # (N, h * w)
    return images.flatten(1).gather(1, index).view(-1, 1, *size)


def _brighten_patches(
    images: torch.Tensor, chosen: torch.Tensor, size: int, change, generator: torch.Generator
) -> torch.Tensor:
    """A random `size` x `size` patch of each chosen image becomes the brighter of itself and `change(patch)`."""
    height, width = images.shape[2:]
    top = torch.randint(
        0, max(height - size, 1), (len(chosen),), generator=generator, device=images.device
    )
    left = torch.randint(
        0, max(width - size, 1), (len(chosen),), generator=generator, device=images.device
    )
    patches = _patches(images[chosen], top, left, (size, size))
    brighter = torch.maximum(patches, change(patches))
    offsets = torch.arange(size, device=images.device)
    images = images.clone()
    images[
        chosen[:, None, None],
        0,
        (top[:, None] + offsets)[:, :, None],
        (left[:, None] + offsets)[:, None, :],
    ] = brighter[:, 0]
    return images


def _boxes(
    images: torch.Tensor, tall: torch.Tensor, wide: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """(N, 1, H, W) bool: a `tall` x `wide` (N,) box at a random place wholly inside each image."""
    height, width = images.shape[2:]
    top = (draw_uniform(images, generator, 0, 1) * (height - tall + 1)).long()[:, None]
    left = (draw_uniform(images, generator, 0, 1) * (width - wide + 1)).long()[:, None]
    y, x = torch.arange(height, device=images.device), torch.arange(width, device=images.device)
    rows = (y >= top) & (y < top + tall[:, None])  # (N, H)
    columns = (x >= left) & (x < left + wide[:, None])  # (N, W)
    return (rows[:, :, None] & columns[:, None, :])[:, None]


SHOWN = (
    Affine(rotate=30),
    Affine(translate=0.2),
    Affine(scale=0.3),
    Affine(shear=25),
    Elastic(alpha=80),
    PadCrop(padding=4),
    Jitter(brightness=0.6, contrast=0.6),
    Cutout(size=8, p=1),
    Erase(p=1),
    Swell(per_class=1),
    Darken(per_class=1),
    Squeeze(per_class=1),
)


def show(images: torch.Tensor, labels: torch.Tensor, seed: int = 0) -> dict[str, torch.Tensor]:
    """The images (N, 1, H, W) as they are, then after each of `SHOWN`, by the row's name."""
    generator = torch.Generator().manual_seed(seed)
    rows = {"as it is": images}
    for op in SHOWN:
        changed = ", ".join(
            f"{name} {value:g}"
            for name, value in vars(op).items()
            if value != getattr(type(op), name) or len(vars(op)) < 3
        )
        rows[f"{type(op).__name__}\n{changed}"] = augment(op, images, labels, generator)
    return rows


def main(argv: list[str] | None = None) -> int:
    """Write the grid: two images of each digit, from the sample that needs no download."""
    parser = argparse.ArgumentParser(prog="python -m utils.augment", description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path("results/augmentations.png"))
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    sample = load_mnist_sample().test
    chosen = torch.cat([(sample.labels == digit).nonzero().flatten()[:2] for digit in range(10)])
    rows = show(as_floats(sample.pixels[chosen]), sample.labels[chosen], options.seed)
    try:
        print(save_figure(plot_augmentations(rows), options.out))
    except OSError as error:
        print(f"augment: {options.out} cannot be written: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
