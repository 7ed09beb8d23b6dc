"""What accuracy costs: misses against a size or a time, as SVG whose points can be focused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from utils.pages.facts import Facts
from utils.pages.published import PublicFigure
from utils.pages.vector import Point, make_figure, to_svg, use_plain_figures

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class Axis:
    """What misses are drawn against: of an entry, and of a public figure where it is said."""

    name: str
    label: str
    of_entry: Callable[[Facts], float | None]
    of_figure: Callable[[PublicFigure], float | None] = lambda figure: None


AXES = (
    Axis("parameters", "parameters", lambda facts: facts.row.params, lambda figure: figure.params),
    Axis("bytes", "bytes of the weights file", lambda facts: facts.weight_bytes),
    Axis("multiply-adds", "multiply-adds for an image", lambda facts: facts.row.multiply_adds),
    Axis(
        "seconds",
        "seconds of training",
        lambda facts: facts.row.train_seconds,
        lambda figure: figure.seconds,
    ),
)


def find_front(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points that no other one is at least as good as in both, cheapest first."""
    front: list[tuple[float, float]] = []
    for cost, misses in sorted(points):
        if not front or misses < front[-1][1]:
            front.append((cost, misses))
    return front


def name_points(axes: "Axes", names: Mapping[tuple[float, float], str]) -> None:
    """Write the names of the front's points beside them, in turn above and below the stairs."""
    for number, (place, name) in enumerate(sorted(names.items())):
        across, _ = axes.transAxes.inverted().transform(axes.transData.transform(place))
        above = number % 2 == 0
        on_right = above and across < 0.75  # further right the name would be cut
        axes.annotate(
            name,
            place,
            xytext=(6 if on_right else -6, 4 if above else -11),
            ha="left" if on_right else "right",
            textcoords="offset points",
            fontsize=8,
        )


def draw_pareto(
    name: str, facts: Sequence[Facts], axis: Axis, published: Sequence[PublicFigure] = ()
) -> str:
    """Mean and worst misses of each entry against the axis, and the front of the means, as SVG.

    Both axes are logarithmic. All entries are of one data set. An entry without evidence, or
    without that cost, is left out. Public figures are hollow, and are no part of the front.
    """
    from matplotlib.ticker import EngFormatter

    figure = make_figure(figsize=(5.2, 4.2))
    figure.subplots_adjust(left=0.11, right=0.96, top=0.98, bottom=0.12)
    axes = figure.subplots()
    points: list[Point] = []
    costs: dict[str, tuple[float, float]] = {}
    for one in facts:
        cost, row = axis.of_entry(one), one.row
        if not cost or row.mean is None or row.worst is None:
            continue
        costs[one.name] = (cost, row.mean)
        title = (
            f"{one.name}: {row.mean:.1f} misses of {row.total:,} on the mean, {row.worst} at "
            f"worst, {cost:,.0f} {axis.label}, seeds: {len(row.misses)}"
        )
        gid = f"{name}-{one.name}"
        axes.plot([cost, cost], [row.mean, row.worst], color="C0", linewidth=1.2)
        axes.plot(cost, row.mean, "o", color="C0", markersize=6, gid=gid)
        points.append(Point(gid=gid, title=title, link=f"entries/{one.name}.md"))
    for number, claim in enumerate(published):
        cost = axis.of_figure(claim)
        if cost:
            gid = f"{name}-public-{number}"
            axes.plot(
                cost, claim.misses, "D", markerfacecolor="none", color="C1", markersize=6, gid=gid
            )
            link = "references.md#the-highest-public-figures-known"
            points.append(Point(gid=gid, title=f"public: {claim.title}", link=link))
    front = find_front(list(costs.values()))
    axes.step(*zip(*front, strict=True), where="post", color="C2", linewidth=1, zorder=0)
    total = next(one.row.total for one in facts if one.row.total)
    axes.set(xscale="log", yscale="log", xlabel=axis.label, ylabel=f"misses of {total:,}")
    axes.margins(0.12)
    use_plain_figures(axes.xaxis, steps=(1,))
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))  # such as 10k
    use_plain_figures(axes.yaxis)
    name_points(axes, {place: one for one, place in reversed(costs.items()) if place in front})
    axes.grid(alpha=0.25)
    label = f"Misses against {axis.label}, {len(costs)} entries"
    return to_svg(figure, name, label, points)
