"""The README's picture of misses against parameters: who is on it, and where."""

import itertools
from pathlib import Path

from utils.frontier import plot_frontier
from utils.pages.charts import find_front
from utils.pages.published import read_published
from utils.table import make_rows

ROOT = Path(__file__).resolve().parents[2]


def test_every_entry_of_mnist_and_every_public_figure_with_a_size_has_its_point():
    rows = make_rows(ROOT / "zoo.py", ROOT / "results.json")
    published = read_published(ROOT / "docs/references.md")
    (axes,) = plot_frontier(rows, published).axes
    ours = {row.entry: (row.params, row.mean) for row in rows if row.dataset == "mnist"}
    known = {(claim.params, claim.misses) for claim in published if claim.params}
    points = {line.get_marker(): [] for line in axes.lines}
    for line in axes.lines:
        points[line.get_marker()] += zip(*line.get_data(), strict=True)
    assert sorted(points["o"]) == sorted(ours.values())
    assert set(points["D"]) == known and len(known) > 5
    front = find_front(list(ours.values()))
    named = {text.get_text() for text in axes.texts}
    views = {row.entry: f", {row.views} views" for row in rows if row.views}
    assert {name + views.get(name, "") for name, place in ours.items() if place in front} <= named


def test_no_name_lies_on_another():
    rows = make_rows(ROOT / "zoo.py", ROOT / "results.json")
    figure = plot_frontier(rows, read_published(ROOT / "docs/references.md"))
    figure.draw_without_rendering()
    boxes = [
        text.get_window_extent() for text in figure.axes[0].texts if not text.get_text().isdigit()
    ]
    assert len(boxes) > 5
    for first, second in itertools.combinations(boxes, 2):
        assert not first.overlaps(second)
