"""A picture of an entry's numbers.

It is drawn from verdicts and metrics in memory: the command `check --badge`, which has just
measured them, is its only way to a file.
"""

from html import escape

from torchbudget.report.metrics import Metrics
from torchbudget.report.text import as_one_line
from torchbudget.report.verdict import Status, Verdict

HEIGHT, PADDING, LETTER = 20, 8, 6.6
GREY, DARK, GREEN, RED = "#333", "#555", "#2c7a2c", "#b3261e"


def draw_badge(metrics: Metrics, verdicts: list[Verdict]) -> str:
    """An SVG of the entry, its parameters and its worst seed's misses.

    It is green when all gates passed, red otherwise. `verdicts` are those of all gates on the
    entry; one that is waived or could not be measured is no pass.
    """
    judged = [verdict for verdict in verdicts if verdict.status is not Status.NOT_APPLICABLE]
    passed = bool(judged) and all(verdict.status is Status.PASS for verdict in judged)
    params = (
        "parameters not measured" if metrics.params is None else f"{metrics.params:,} parameters"
    )
    misses = (
        "misses not measured"
        if metrics.worst is None
        else f"{metrics.worst:,} misses of {metrics.total:,}"
    )
    entry = escape(as_one_line(metrics.entry))
    parts = [(entry, GREY), (params, DARK), (misses, GREEN if passed else RED)]
    widths = [round(len(text) * LETTER) + 2 * PADDING for text, _ in parts]
    verdict = "all gates passed" if passed else "not all gates passed"
    title = f"{entry}: {params}, {misses}; {verdict}"
    boxes = [
        _box(text, colour, sum(widths[:place]), widths[place])
        for place, (text, colour) in enumerate(parts)
    ]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{sum(widths)}" height="{HEIGHT}" '
        f'role="img" aria-label="{title}">',
        f"<title>{title}</title>",
        f'<clipPath id="round"><rect width="{sum(widths)}" height="{HEIGHT}" rx="3"/></clipPath>',
        '<g clip-path="url(#round)" fill="#fff" text-anchor="middle" '
        'font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">',
        *boxes,
        "</g>",
        "</svg>",
        "",
    ])  # fmt: skip


def _box(text: str, colour: str, left: int, width: int) -> str:
    """A coloured box and its text, which is fitted to it whatever the font."""
    rect = f'<rect x="{left}" width="{width}" height="{HEIGHT}" fill="{colour}"/>'
    fit = f'textLength="{width - 2 * PADDING}" lengthAdjust="spacingAndGlyphs"'
    return f'{rect}<text x="{left + width / 2}" y="14" {fit}>{text}</text>'
