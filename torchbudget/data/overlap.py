"""Images that two sets share, pixel for pixel, found by digest."""

import hashlib

import torch

SHOWN = 5
"""Rows that a message names before it counts the rest."""


def image_digests(pixels: torch.Tensor) -> list[bytes]:
    """SHA-256 of each of uint8 (N, C, H, W)."""
    return [hashlib.sha256(image.tobytes()).digest() for image in pixels.contiguous().numpy()]


def find_shared(pixels: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """bool (N,): whether each of `pixels` is also in `others`, both uint8 (_, C, H, W)."""
    known = set(image_digests(others))
    return torch.tensor([digest in known for digest in image_digests(pixels)], dtype=torch.bool)


def name_rows(chosen: torch.Tensor) -> str:
    """The first rows that bool (N,) marks, counted from 1: "rows 4, 7, 9 and 12 more"."""
    rows = (chosen.nonzero().flatten() + 1).tolist()
    word = "row" if len(rows) == 1 else "rows"
    more = f" and {len(rows) - SHOWN:,} more" if len(rows) > SHOWN else ""
    return f"{word} {', '.join(map(str, rows[:SHOWN]))}{more}"
