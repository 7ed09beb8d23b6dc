"""The picture of a network: a box for each block, from the image to the logits, as SVG."""

from collections.abc import Sequence
from dataclasses import dataclass

from utils.pages.blocks import IMAGE, Block
from utils.pages.rendering import render

STEP = 132
"""From one box to the next, in the units of the picture, as are all numbers here."""
BOX = 100
MIDDLE = 92
"""Height of the line that joins the boxes' centres."""
LINE = 15
TIMES = " \N{MULTIPLICATION SIGN} "


@dataclass(frozen=True)
class Box:
    """A drawn block: where it is, and the lines of text under it."""

    x: float
    height: float
    label: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Link:
    """A path from box to box: straight to the next, over the boxes between to a later one."""

    path: str


def draw_network(name: str, blocks: Sequence[Block], image: tuple[int, ...]) -> str:
    """The SVG element of the network `name` for images of the shape (C, H, W)."""
    side = max(max(image[1:]), 1)
    boxes = [make_box(0, Block(label="image", shape=image, inputs=set()), side)]
    boxes += [make_box(position, block, side) for position, block in enumerate(blocks, start=1)]
    links = [
        make_link(boxes, source - IMAGE, position)
        for position, block in enumerate(blocks, start=1)
        for source in sorted(block.inputs)
    ]
    depth = max(len(box.lines) for box in boxes)
    return render(
        "diagram.svg",
        name=name,
        boxes=boxes,
        links=links,
        box_width=BOX,
        middle=MIDDLE,
        width=STEP * len(boxes) - (STEP - BOX) + 8,
        height=MIDDLE + 70 + LINE * depth,
        below=MIDDLE + 62,
        line=LINE,
    )


def make_box(position: int, block: Block, side: int) -> Box:
    """The taller, the larger the map; a vector is the lowest."""
    map_side = block.shape[-1] if len(block.shape) == 3 else 0
    lines = [TIMES.join(map(str, block.shape))]
    if block.params:
        lines.append(f"{block.params:,} parameters")
    return Box(
        x=4 + STEP * position,
        height=26 + 64 * min(map_side / side, 1),
        label=block.label,
        lines=[*lines, *block.then],
    )


def make_link(boxes: Sequence[Box], start: int, end: int) -> Link:
    """From the right of a box to the left of the next, or in an arc over those between."""
    one, other = boxes[start], boxes[end]
    if end == start + 1:
        return Link(f"M{one.x + BOX:g} {MIDDLE} H{other.x - 3:g}")
    left, right = one.x + BOX * 0.75, other.x + BOX * 0.25
    top = MIDDLE - max(box.height for box in boxes[start : end + 1]) / 2 - 26
    return Link(
        f"M{left:g} {MIDDLE - one.height / 2:g} C{left:g} {top:g} {right:g} {top:g} "
        f"{right:g} {MIDDLE - other.height / 2 - 3:g}"
    )
