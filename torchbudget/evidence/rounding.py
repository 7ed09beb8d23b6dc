"""What rounding may do to a prediction: the rule by which one that flips elsewhere is excused."""

import torch

ROUNDINGS = 4
"""Roundings of float32 by which an operation may move a logit, relative to the largest logit.

Other kernels and float64 moved the logits of this zoo's networks by at most 24 roundings in some
30 operations, less than 1 each.
"""

Flip = tuple[int, int, int]
"""(index of an image, class predicted there, class predicted here)."""


def rounding_margin(depth: int) -> float:
    """How close two logits are that rounding may swap, after `depth` operations in float32.

    It is relative to the largest logit. Each of the two may be off here and there.
    """
    return 2 * ROUNDINGS * depth * torch.finfo(torch.float32).eps


def is_excused(flip: Flip, logits: torch.Tensor, margin: float) -> bool:
    """Whether rounding may have swapped the two classes of a flip, by the logits (N, classes)."""
    index, was, now = flip
    row = logits[index]
    return bool((row[now] - row[was]).abs() <= margin * row.abs().max())


def list_flips(was: torch.Tensor, now: torch.Tensor) -> list[Flip]:
    """Each image whose predicted class differs between `was` and `now`, both (N,)."""
    differing = (was != now).nonzero().flatten().tolist()
    return [(index, int(was[index]), int(now[index])) for index in differing]
