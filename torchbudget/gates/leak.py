"""Leakage: no test image among the training images, exact or near.

Near is a cosine between two images of at least `NEAR`, after each was moved to its centre of mass and then by up to a pixel any way:
a copy that was shifted, dimmed, or has grey levels off by a few per cent is found (99 of 100), one that was blurred, rotated or
scribbled on is not. The nearest training image is looked for among all by the means of 7x7 blocks, then compared pixel by pixel.
"""

import functools
import hashlib

import torch
import torch.nn.functional as F

from torchbudget.data.images import Dataset
from torchbudget.declare.entry import Entry
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status, Verdict

NEAR = 0.99
"""Above what happens by nature: of MNIST's 10,000 test images the one most like a training image, a "1", comes to 0.9889."""
TWINS = {
    frozenset({"f9890ee743e543ad", "5131462579a2033c"}),
    frozenset({"96a8865d66b5072b", "5d0ad4233c8b12d4"}),
    frozenset({"a101394d51b7db19", "36213a70d6ad7fa1"}),
}
"""Pairs of MNIST's own images above `NEAR`, by the first digits of their pixels' SHA-256: "1"s of one hand, 0.9917 at most, which `kaggle_deal` parts."""
CHUNK = 250
SHOWN = 5

Likeness = tuple[int, int, float]
"""(index of a test image, index of the training image most like it, cosine between them)."""


def judge_leak(entry: Entry, seen: Observation) -> Verdict:
    """No test image is among the images trained on or chosen by, neither the same nor nearly so.

    Why: a network that has seen the test images recalls them; its accuracy says nothing about images that it has not seen.
    Fails: a training set into which a hundred test images were mixed, moved by a pixel and a little darker.
    Passes: MNIST as published; its nearest pair across the two sets, two thin "1"s, has a cosine of 0.989, and 0.99 is the limit.
    """
    ranked = likenesses(seen.dataset)
    leaked = [
        likeness
        for likeness in ranked
        if likeness[2] >= NEAR and not _are_twins(seen.dataset, likeness)
    ]
    details = tuple(
        f"test #{test} is like training #{train}: cosine {cosine:.4f}"
        for test, train, cosine in leaked[:SHOWN] or ranked[:1]
    )
    more = f" and {len(leaked) - SHOWN:,} more" if len(leaked) > SHOWN else ""
    return Verdict(
        gate="leak",
        status=Status.FAIL if leaked else Status.PASS,
        observed="; ".join(details) + more
        if leaked
        else f"{len(ranked):,} test images, {details[0]}",
        expected=f"every cosine below {NEAR}, but for the {len(TWINS)} pairs of twins that MNIST has",
        difference=f"{len(leaked):,} test images leaked" if leaked else "",
        field="dataset",
        remedy="take these images out of the training set, give the data set a name of its own, and train again",
        details=details,
    )


@functools.lru_cache(maxsize=4)
def likenesses(dataset: Dataset) -> list[Likeness]:
    """Each test image and the training image most like it, the likest first. Computed once for a data set that entries share."""
    train, test = centre(dataset.train.pixels), centre(dataset.test.pixels)
    blocks = _blocks(train)
    nearest = torch.cat([(chunk @ blocks.T).argmax(1) for chunk in _blocks(test).split(CHUNK)])
    cosines = _cosines(train[nearest], test)
    exact = {pixels.numpy().tobytes(): index for index, pixels in enumerate(dataset.train.pixels)}
    found = [(index, int(nearest[index]), float(cosines[index])) for index in range(len(test))]
    for index, pixels in enumerate(dataset.test.pixels):
        if (twin := exact.get(pixels.numpy().tobytes())) is not None:
            found[index] = (index, twin, 1.0)
    return sorted(found, key=lambda likeness: -likeness[2])


def _are_twins(dataset: Dataset, likeness: Likeness) -> bool:
    test, train, _ = likeness
    images = dataset.test.pixels[test], dataset.train.pixels[train]
    return (
        frozenset(hashlib.sha256(image.numpy().tobytes()).hexdigest()[:16] for image in images)
        in TWINS
    )


def centre(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 (N, 1, H, W) -> float (N, H, W), each image's centre of mass moved to the middle, to the nearest pixel."""
    images = pixels[:, 0].float()
    mass, (height, width) = images.sum((1, 2)).clamp(min=1), images.shape[1:]
    down = (height / 2 - images.sum(2) @ torch.arange(float(height)) / mass).round().long()
    right = (width / 2 - images.sum(1) @ torch.arange(float(width)) / mass).round().long()
    moved = images.clone()
    for move in torch.stack([down, right], 1).unique(dim=0):
        if move.any():
            chosen = (down == move[0]) & (right == move[1])
            moved[chosen] = images[chosen].roll(move.tolist(), (1, 2))
    return moved


def _blocks(images: torch.Tensor) -> torch.Tensor:
    """(N, H, W) -> (N, 49) means of blocks, of length 1."""
    return F.normalize(F.adaptive_avg_pool2d(images.unsqueeze(1), 7).flatten(1))


def _cosines(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """(N, H, W), (N, H, W) -> (N,) the greatest cosine over moves of up to a pixel."""
    moves = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return torch.stack(
        [F.cosine_similarity(one.roll(move, (1, 2)).flatten(1), other.flatten(1)) for move in moves]
    ).amax(0)
