"""The page "Draw a digit", as whoever uses it does: strokes by pointer, files, answers read."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

Point = tuple[float, float]

THREE = [
    [(0.35, 0.3), (0.5, 0.2), (0.65, 0.32), (0.5, 0.47), (0.66, 0.62), (0.5, 0.78), (0.33, 0.7)]
]
SEVEN = [[(0.3, 0.25), (0.5, 0.25), (0.7, 0.25), (0.58, 0.5), (0.45, 0.8)]]
ONE = [[(0.52, 0.2), (0.5, 0.5), (0.49, 0.8)]]
ANSWERED = """() => {
    const rows = [...document.querySelectorAll('.draw-answer')];
    return rows.length && rows.every((row) => row.matches('.draw-answered'));
}"""
"""Whether every network has answered."""
ROW = '.draw-answer[data-entry="{}"]'


def wait_until_ready(page: Page) -> None:
    page.wait_for_selector("#draw-answers[data-ready]", state="attached")


def find_points(page: Page, stroke: Sequence[Point]) -> list[Point]:
    """Shares of the sheet's side as places in the window."""
    sheet = page.locator("#draw-sheet")
    sheet.scroll_into_view_if_needed()
    box = sheet.bounding_box()
    return [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in stroke]


def draw_by_mouse(page: Page, strokes: Sequence[Sequence[Point]]) -> None:
    for stroke in strokes:
        first, *rest = find_points(page, stroke)
        page.mouse.move(*first)
        page.mouse.down()
        for point in rest:
            page.mouse.move(*point, steps=5)
        page.mouse.up()


def draw_by_finger(page: Page, strokes: Sequence[Sequence[Point]]) -> None:
    session = page.context.new_cdp_session(page)

    def touch(kind: str, *points: Point) -> None:
        places = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

    for stroke in strokes:
        first, *rest = find_points(page, stroke)
        touch("touchStart", first)
        for point in rest:
            touch("touchMove", point)
        touch("touchEnd")


DROP = """([name, type, content]) => {
    const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
    const transfer = new DataTransfer();
    transfer.items.add(new File([bytes], name, { type }));
    const options = { bubbles: true, cancelable: true };
    const target = document.getElementById('draw-sheet');
    target.dispatchEvent(KIND);
}"""
DROPPED = DROP.replace("KIND", "new DragEvent('drop', { ...options, dataTransfer: transfer })")
PASTED = DROP.replace(
    "KIND", "new ClipboardEvent('paste', { ...options, clipboardData: transfer })"
)


def give_file(page: Page, path: Path, how: str = DROPPED) -> None:
    """Drop a file on the sheet, or paste it."""
    kind = "image/jpeg" if path.suffix == ".jpg" else "image/png"
    page.evaluate(how, [path.name, kind, base64.b64encode(path.read_bytes()).decode()])


def read_digit(page: Page, entry: str = "slim") -> str:
    """What the entry answers to what is on the sheet now."""
    row = ROW.format(entry)
    page.wait_for_selector(f"{row}.draw-answered")
    return page.inner_text(f"{row} .draw-digit")


def read_probabilities(page: Page) -> dict[str, list[float]]:
    """By entry, the ten probabilities that its bars show, once all have answered."""
    page.wait_for_function(ANSWERED, timeout=60_000)
    return page.evaluate(
        """() => Object.fromEntries([...document.querySelectorAll('.draw-answer')].map((row) => [
            row.dataset.entry,
            [...row.querySelectorAll('.draw-bar')].map(
                (bar) => Number(bar.style.getPropertyValue('--share'))),
        ]))"""
    )


def read_preview(page: Page) -> np.ndarray:
    """The image that the networks get, uint8 (28, 28)."""
    values = page.evaluate(
        """() => {
            const canvas = document.getElementById('draw-preview');
            return [...canvas.getContext('2d').getImageData(0, 0, 28, 28).data];
        }"""
    )
    return np.array(values, np.uint8).reshape(28, 28, 4)[..., 0]


def save_sheet(page: Page, path: Path) -> Path:
    """What is on the sheet, as a PNG file."""
    url = page.evaluate("() => document.getElementById('draw-sheet').toDataURL('image/png')")
    path.write_bytes(base64.b64decode(url.partition(",")[2]))
    return path
