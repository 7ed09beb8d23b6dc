"""How alike two images are, and from where on they count as the same one.

Equal images are found by digest, on any data. Near ones are found by a cosine: the training image
nearest to each test image is looked up by the means of blocks, then compared pixel by pixel over
shifts of up to a pixel.

- Where a data set declares `near` (ink on an empty ground, such as MNIST), both images are first
  moved to their centre of mass, and the cosine is that of the pixels. A copy that was shifted,
  dimmed, or has grey levels off by a few per cent is found (99 of 100 of MNIST's).
- For all other data the mean of each channel is taken off first, over all channels: photographs
  share a mean, not a content. The limit is half-way from the closest pair that the training images
  have among themselves to 1, so what the data does by nature is not taken for a leak.

A copy that was blurred, rotated or drawn on is not found.
"""

import functools
import hashlib
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from torchbudget.data.images import Dataset
from torchbudget.data.overlap import image_digests
from torchbudget.data.spec import DataSpec
from torchbudget.data.split import fixed_permutation

CHUNK = 250
BLOCKS = 7
SAMPLED = 1_000
"""Training images whose nearest neighbour among the others calibrates the limit."""
SAME = 1 - 1e-6
"""Cosine from which two training images are the same one, and say nothing of what is near."""
SHIFTS = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]


@dataclass(frozen=True)
class Likeness:
    """The training image most like a test image, and the cosine between them."""

    test: int
    train: int
    cosine: float


@dataclass(frozen=True)
class Comparison:
    """Every test image with its nearest training image, the most alike first; `limit` is `near`."""

    ranked: list[Likeness]
    limit: float


@functools.lru_cache(maxsize=4)
def compare(spec: DataSpec, dataset: Dataset) -> Comparison:
    """What `Comparison` says, computed once for a data set that several entries share."""
    if spec.near is not None:
        train, test = centre(dataset.train.pixels), centre(dataset.test.pixels)
        limit = spec.near
    else:
        train, test = free_of_mean(dataset.train.pixels), free_of_mean(dataset.test.pixels)
        limit = calibrate(dataset.name, train)
    nearest = find_nearest(train, test)
    cosines = shifted_cosines(train, nearest, test)
    ranked = [
        Likeness(index, int(nearest[index]), float(cosines[index])) for index in range(len(test))
    ]
    exact = {digest: index for index, digest in enumerate(image_digests(dataset.train.pixels))}
    for index, digest in enumerate(image_digests(dataset.test.pixels)):
        twin = exact.get(digest)
        if twin is not None:
            ranked[index] = Likeness(index, twin, 1.0)
    return Comparison(sorted(ranked, key=lambda likeness: -likeness.cosine), limit)


def is_known_duplicate(spec: DataSpec, dataset: Dataset, likeness: Likeness) -> bool:
    """Whether the data set names this pair as one that is near by nature."""
    pair = dataset.test.pixels[likeness.test], dataset.train.pixels[likeness.train]
    digests = (hashlib.sha256(image.numpy().tobytes()).hexdigest()[:16] for image in pair)
    return frozenset(digests) in spec.known_duplicates


def calibrate(name: str, train: torch.Tensor) -> float:
    """The limit for float (N, C, H, W) free of their mean: see the module's docstring."""
    chosen = torch.tensor(fixed_permutation(f"{name} near", len(train))[:SAMPLED])
    nearest = find_nearest(train, train[chosen], own=chosen)
    cosines = shifted_cosines(train, nearest, train[chosen])
    distinct = cosines[cosines < SAME]
    closest = float(distinct.max()) if len(distinct) else 0.0
    return (1 + closest) / 2


def find_nearest(
    train: torch.Tensor, images: torch.Tensor, own: torch.Tensor | None = None
) -> torch.Tensor:
    """Index (N,) of the training image nearest to each of `images`, by the means of blocks.

    `own` are the indices of `images` among `train`, where they are training images themselves.
    """
    blocks = block_means(train)
    buffer = torch.empty(CHUNK, len(blocks))  # a new one each time costs as much as the product
    nearest = []
    for start in range(0, len(images), CHUNK):
        chunk = block_means(images[start : start + CHUNK])
        cosines = torch.mm(chunk, blocks.T, out=buffer[: len(chunk)])
        if own is not None:
            rows = torch.arange(len(cosines))
            cosines[rows, own[start : start + CHUNK]] = -torch.inf
        nearest.append(cosines.max(1).indices)
    return torch.cat(nearest)


def centre(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (N, C, H, W) -> float, each image's centre of mass moved to the middle pixel."""
    images = pixels.float()
    ink = images.sum(1)  # (N, H, W)
    height, width = ink.shape[1:]
    mass = ink.sum((1, 2)).clamp(min=1)
    down = (height / 2 - ink.sum(2) @ torch.arange(float(height)) / mass).round().long()
    right = (width / 2 - ink.sum(1) @ torch.arange(float(width)) / mass).round().long()
    for move in torch.stack([down, right], 1).unique(dim=0):
        if move.any():
            chosen = (down == move[0]) & (right == move[1])
            images[chosen] = images[chosen].roll(move.tolist(), (2, 3))
    return images


def free_of_mean(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (N, C, H, W) -> float, each channel of each image less its mean."""
    images = pixels.float()
    images -= images.mean((2, 3), keepdim=True)
    return images


def block_means(images: torch.Tensor) -> torch.Tensor:
    """(N, C, H, W) -> (N, C * 49) means of 7x7 blocks, of length 1."""
    height, width = images.shape[2:]
    size = (min(BLOCKS, height), min(BLOCKS, width))
    return F.normalize(F.adaptive_avg_pool2d(images, size).flatten(1))


def shifted_cosines(
    train: torch.Tensor, nearest: torch.Tensor, images: torch.Tensor
) -> torch.Tensor:
    """The greatest cosine (N,) over shifts of up to a pixel.

    It is that of each of `images` (N, C, H, W) and its training image, whose index is in `nearest`.
    """
    best = torch.full((len(images),), -1.0)
    for start in range(0, len(images), CHUNK):
        part = slice(start, start + CHUNK)
        one = train[nearest[part]]
        one = F.normalize(one.flatten(1)).view_as(one)
        other = F.normalize(images[part].flatten(1))
        for shift in SHIFTS:
            moved = one.roll(shift, (2, 3)).flatten(1)
            best[part] = torch.maximum(best[part], torch.linalg.vecdot(moved, other))
    return best
