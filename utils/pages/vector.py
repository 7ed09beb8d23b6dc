"""Figures of matplotlib as SVG elements that stand in a page.

Text takes the page's font and colour, so that it can be read in the dark; points are links with a
title, so that they can be hovered, focused and followed.
"""

import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

SVG = "http://www.w3.org/2000/svg"
XLINK = "http://www.w3.org/1999/xlink"
HREF = f"{{{XLINK}}}href"
BLACK = re.compile(r"#000000|#000\b|\bblack\b")
FONT = re.compile(r"font: ([\d.]+px)[^;]*")


@dataclass(frozen=True, kw_only=True)
class Point:
    """A drawn thing, by its `gid`: what its tooltip says, and where it leads."""

    gid: str
    title: str
    link: str


def make_figure(**options: object) -> "Figure":
    """An empty figure on no ground of its own."""
    from matplotlib.figure import Figure

    return Figure(facecolor="none", **options)


def use_plain_figures(axis: "Axis", steps: Sequence[int] = (1, 2, 3, 5)) -> None:
    """Label a logarithmic axis at these multiples of the powers of ten, without exponents."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(lambda value, _: f"{value:,g}" if value < 1 else f"{value:,.0f}")
    axis.set_minor_locator(NullLocator())


def to_svg(figure: "Figure", name: str, label: str, points: Sequence[Point] = ()) -> str:
    """The figure as an SVG element; `name` is unique in the page, `label` says what it shows."""
    import matplotlib as mpl

    content = io.BytesIO()
    for axes in figure.axes:
        axes.set_facecolor("none")
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(content, format="svg", metadata={"Date": None})
    ET.register_namespace("", SVG)
    ET.register_namespace("xlink", XLINK)
    root = ET.fromstring(content.getvalue())
    metadata = root.find(f"{{{SVG}}}metadata")
    if metadata is not None:
        root.remove(metadata)
    _make_points(root, {point.gid: point for point in points})
    _adopt_page_style(root)
    root.attrib.pop("height", None)
    root.attrib.pop("width", None)
    root.set("class", "chart")
    root.set("role", "group" if points else "img")
    root.set("aria-label", label)
    return ET.tostring(root, encoding="unicode")


def _make_points(root: ET.Element, points: dict[str, Point]) -> None:
    """Put each point's group into a link with a title."""
    for parent in list(root.iter()):
        for position, child in enumerate(list(parent)):
            point = points.get(child.get("id", ""))
            if point is None:
                continue
            link = ET.Element(f"{{{SVG}}}a", {"href": point.link, "aria-label": point.title})
            link.set("data-point", point.gid)
            title = ET.SubElement(link, f"{{{SVG}}}title")
            title.text = point.title
            link.append(child)
            parent[position] = link


def _adopt_page_style(root: ET.Element) -> None:
    """Take the page's colour for black and its font; keep only the ids that are referred to."""
    text = ET.tostring(root, encoding="unicode")
    referred = set(re.findall(r'(?:url\(#|href="#)([^")]+)', text))
    for element in root.iter():
        if element.get("id") and element.get("id") not in referred:
            del element.attrib["id"]
        style = element.get("style")
        if style:
            style = FONT.sub(r"font-size: \1", style)
            element.set("style", BLACK.sub("currentColor", style))
        if element.tag == f"{{{SVG}}}text" and "fill" not in (style or ""):
            element.set("fill", "currentColor")
