"""An image as text: a comment on a pull request shows no image that has no address."""

from collections.abc import Sequence

MAX_SIDE = 32
"""Columns of text that a picture takes, and rows of pixels; a row of text holds two of these."""
BLOCKS = {(False, False): " ", (True, False): "\u2580", (False, True): "\u2584"}
BOTH = "\u2588"


def draw_as_text(pixels: Sequence[Sequence[float]]) -> tuple[str, ...]:
    """Rows of half blocks, one for two rows of grey `pixels`: ink where a pixel is light.

    Light is above the middle between the darkest and the lightest. A flat image has no ink.
    """
    values = [value for row in pixels for value in row]
    middle = (min(values) + max(values)) / 2
    ink = [[value > middle for value in row] for row in pixels]
    if len(ink) % 2:
        ink.append([False] * len(ink[0]))
    return tuple(
        "".join(BLOCKS.get(pair, BOTH) for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(ink[::2], ink[1::2], strict=True)
    )


def put_side_by_side(pictures: Sequence[tuple[str, Sequence[str]]], per_row: int) -> list[str]:
    """The pictures below their captions, `per_row` beside each other, with a gap between."""
    lines: list[str] = []
    for start in range(0, len(pictures), per_row):
        group = pictures[start : start + per_row]
        width = 2 + max(len(line) for caption, rows in group for line in (caption, *rows))
        height = max(len(rows) for _, rows in group)
        for number in range(-1, height):
            cells = [
                caption if number < 0 else rows[number] if number < len(rows) else ""
                for caption, rows in group
            ]
            lines.append("".join(f"{cell:<{width}}" for cell in cells).rstrip())
        lines.append("")
    return lines[:-1]
