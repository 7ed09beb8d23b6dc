"""The leak check between two sets of images: which of one also stand in the other, pixel for pixel, found by digest."""

import hashlib

import torch

SHOWN = 5


def image_digests(pixels: torch.Tensor) -> list[bytes]:
    """SHA-256 of each of uint8 (N, 1, 28, 28)."""
    return [hashlib.sha256(image.tobytes()).digest() for image in pixels.numpy()]


def find_twins(pixels: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """bool (N,): whether each of `pixels`, uint8 (N, 1, 28, 28), also stands in `others`, uint8 (M, 1, 28, 28)."""
    known = set(image_digests(others))
    return torch.tensor([digest in known for digest in image_digests(pixels)], dtype=torch.bool)


def name_rows(chosen: torch.Tensor) -> str:
    """The first few rows that bool (N,) marks, from 1 as in a submission's ImageId: "rows 4, 7, 9 and 12 more"."""
    rows = (chosen.nonzero().flatten() + 1).tolist()
    more = f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    return f"row{'s' * (len(rows) > 1)} {', '.join(map(str, rows[:SHOWN]))}{more}"
