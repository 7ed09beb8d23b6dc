"""Pictures of digits, as hypothesis makes them and as samples/ has them."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

ROOT = Path(__file__).resolve().parent.parent.parent
SAMPLES = [ROOT / "samples/digit.png", *sorted((ROOT / "samples/photos").glob("*.png"))]

SHARE = st.floats(0, 1)
POINTS = st.lists(st.tuples(SHARE, SHARE), min_size=1, max_size=6)
COLOUR = st.tuples(*[st.integers(0, 255)] * 3)


@st.composite
def drawings(draw: st.DrawFn) -> Image.Image:
    """Strokes of one width and colour on a sheet of one colour, in RGB or, on nothing, in RGBA.

    Some are photographed: light from one side, blur and noise. Sides of 1 to 600 pixels.
    """
    width, height = draw(st.integers(1, 600)), draw(st.integers(1, 600))
    paper, ink = draw(COLOUR), draw(COLOUR)
    transparent = draw(st.booleans()) and draw(st.booleans())
    sheet = Image.new("RGBA", (width, height), (*paper, 0 if transparent else 255))
    pen = ImageDraw.Draw(sheet)
    thick = draw(st.integers(1, max(1, min(width, height) // 4)))
    for stroke in draw(st.lists(POINTS, min_size=1, max_size=4)):
        points = [(x * (width - 1), y * (height - 1)) for x, y in stroke]
        if len(points) > 1:
            pen.line(points, (*ink, 255), thick, joint="curve")
        for x, y in points:
            box = (x - thick / 2, y - thick / 2, x + thick / 2, y + thick / 2)
            pen.ellipse(box, (*ink, draw(st.sampled_from((255, 255, 130)))))
    if not transparent and draw(st.booleans()):
        return photograph(sheet, draw(st.integers(0, 2**32 - 1)))
    return sheet


def photograph(sheet: Image.Image, seed: int) -> Image.Image:
    """The sheet in RGBA as a camera sees it: light from one side, blur and noise."""
    random = np.random.default_rng(seed)
    blurred = sheet.convert("RGB").filter(ImageFilter.GaussianBlur(random.uniform(0, 2)))
    down, across = np.mgrid[-0.5 : 0.5 : sheet.height * 1j, -0.5 : 0.5 : sheet.width * 1j]
    light = 1 + random.uniform(-0.3, 0.3) * down + random.uniform(-0.3, 0.3) * across
    noise = random.normal(0, random.uniform(0, 6), (sheet.height, sheet.width, 1))
    values = np.asarray(blurred, float) * light[..., None] + noise
    return Image.fromarray(values.clip(0, 255).astype(np.uint8)).convert("RGBA")
