"""The README's picture of misses against parameters: our entries and the public figures.

`python -m utils.pictures` (make pictures) draws it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from utils.pages.charts import find_front
from utils.pages.published import PublicFigure
from utils.pages.vector import use_plain_figures
from utils.plots import make_figure
from utils.table import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

DATASET = "mnist"
MARGIN = 1.25
"""How far the axes go beyond their outermost points, as a factor; on the left names need more."""
LINE = 10
"""Points from one line of labels to the next."""


def plot_frontier(rows: Sequence[Row], published: Sequence[PublicFigure]) -> "Figure":
    """Misses of the 10,000 images against parameters, both logarithmic.

    An entry is a point, at the mean of its seeds, with a line up to the worst. A public figure is
    hollow and numbered; the key says how it came about. The stairs join the entries that no other
    one beats; each of these has its name, and its number of views where it has any.
    """
    from matplotlib.ticker import EngFormatter

    figure = make_figure(figsize=(9, 5.6))
    axes = figure.subplots()
    ours = {
        row.entry: (row.params, row.mean, row.worst)
        for row in rows
        if row.dataset == DATASET and row.params and row.mean and row.worst
    }
    known = [claim for claim in published if claim.params]
    axes.set(xscale="log", yscale="log", xlabel="parameters", ylabel="misses of 10,000 test images")
    sizes = [params for params, _, _ in ours.values()] + [claim.params or 1 for claim in known]
    misses = [n for _, *both in ours.values() for n in both] + [claim.misses for claim in known]
    axes.set_xlim(min(sizes) / MARGIN**4, max(sizes) * MARGIN)
    axes.set_ylim(min(misses) / MARGIN, max(misses) * MARGIN)
    use_plain_figures(axes.xaxis, steps=(1, 2, 5))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # such as 10k
    use_plain_figures(axes.yaxis)
    axes.grid(alpha=0.25)

    places = {name: (float(params), mean) for name, (params, mean, _) in ours.items()}
    front = find_front(list(places.values()))
    axes.step(*zip(*front, strict=True), where="post", color="C2", linewidth=1, zorder=0)
    for params, mean, worst in ours.values():
        axes.plot([params, params], [mean, worst], color="C0", linewidth=1.2)
    axes.plot(
        *zip(*places.values(), strict=True), "o", color="C0", label="this zoo: mean to worst seed"
    )
    views = {row.entry: f", {row.views} views" for row in rows if row.views}
    named = sorted((place, name) for name, place in places.items() if place in front)
    names = [
        write_beside(axes, place, name + views.get(name, ""), "C0", (-5, -4))
        for place, name in named
    ]
    for number, claim in enumerate(known, 1):
        assert claim.params
        place = (claim.params, claim.misses)
        label = f"{number}: {claim.where}, {claim.protocol}"
        axes.plot(*place, "D", markerfacecolor="none", color="C1", label=label)
        write_beside(axes, place, str(number), "C1", (5, 5))
    axes.legend(loc="upper right", frameon=False, fontsize=7)
    axes.set_title("Misses against parameters on MNIST")
    part_labels(figure, names)
    return figure


def part_labels(figure: "Figure", labels: list["Annotation"]) -> None:
    """Move each label down until it overlaps none of those before it."""
    figure.draw_without_rendering()
    taken: list[Bbox] = []
    for label in labels:
        while any(label.get_window_extent().overlaps(box) for box in taken):
            across, up = label.xyann
            label.xyann = (across, up - LINE)
        taken.append(label.get_window_extent())


def write_beside(
    axes: "Axes", place: tuple[float, float], text: str, colour: str, offset: tuple[int, int]
) -> "Annotation":
    """Write `text` beside the point at `place`, `offset` points to the right and up; return it.

    An offset to the left is where the text ends, one downwards where its top is.
    """
    across, up = offset
    return axes.annotate(
        text,
        place,
        xytext=offset,
        ha="left" if across > 0 else "right",
        va="bottom" if up > 0 else "top",
        textcoords="offset points",
        fontsize=8,
        color=colour,
    )
