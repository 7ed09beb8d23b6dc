"""The test images whose answer changed since the baseline, from right to wrong or back."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F

from torchbudget.data.images import Images
from torchbudget.gates.baseline import BaselineEntry
from torchbudget.gates.observation import Observation
from torchbudget.report.comparison import Flip
from torchbudget.report.drawing import MAX_SIDE, draw_as_text

MAX_DRAWN = 6
"""Pictures of each direction: drawing costs time, and a page room."""


def find_flips(
    observation: Observation, was: BaselineEntry
) -> tuple[tuple[Flip, ...], tuple[Flip, ...]]:
    """The images that were right at the baseline and are missed now, and those the other way.

    Compared are the seeds that are on record there and were measured here, on the same data set.
    """
    if was.dataset != observation.entry.dataset:
        return (), ()
    lost: dict[tuple[int, int, int], list[int]] = {}
    won: dict[tuple[int, int, int], list[int]] = {}
    for seed, measurement in sorted(observation.measurements.items()):
        if seed not in was.missed:
            continue
        then = {int(index): answer for index, answer in was.missed[seed].items()}
        now = measurement.missed
        for index in set(now) - set(then):
            lost.setdefault((index, int(measurement.labels[index]), now[index]), []).append(seed)
        for index in set(then) - set(now):
            if 0 <= index < len(measurement.labels):
                label = int(measurement.labels[index])
                won.setdefault((index, then[index], label), []).append(seed)
    images = observation.dataset.test if lost or won else None
    return _make_flips(lost, images, lost=True), _make_flips(won, images, lost=False)


def _make_flips(
    found: Mapping[tuple[int, int, int], list[int]], images: Images | None, *, lost: bool
) -> tuple[Flip, ...]:
    """The flips by index, the first of them drawn; `found` has the seeds by (index, then, now)."""
    return tuple(
        Flip(
            index=index,
            label=then if lost else now,
            then=then,
            now=now,
            seeds=tuple(seeds),
            picture=draw(images.pixels[index]) if images and number < MAX_DRAWN else (),
        )
        for number, ((index, then, now), seeds) in enumerate(sorted(found.items()))
    )


def draw(pixels: torch.Tensor) -> tuple[str, ...]:
    """An image (C, H, W) as text, its channels averaged, no side longer than `MAX_SIDE`."""
    grey = pixels.float().mean(0)  # (C, H, W) -> (H, W)
    shrink = max(1, max(grey.shape) / MAX_SIDE)
    height, width = (max(1, int(side / shrink)) for side in grey.shape)
    small = F.adaptive_avg_pool2d(grey[None], (height, width))[0]
    return draw_as_text(small.tolist())
