"""The leaderboard: a row for each entry, with the numbers that the page sorts and filters by."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from utils.pages.charts import AXES, draw_pareto
from utils.pages.facts import Facts
from utils.pages.published import PublicFigure
from utils.pages.rendering import render
from utils.table import show

MARK = "<!-- leaderboard -->"
"""Where `docs/index.md` wants the table and the charts."""


@dataclass(frozen=True)
class Column:
    """A column: what it sorts by, None where that is unknown, and the form that people read.

    `limit` is whether the page offers to show only the rows at or below a number.
    """

    key: str
    heading: str
    value: Callable[[Facts], str | float | None]
    form: str = "{:,.0f}"
    limit: bool = False

    @property
    def is_number(self) -> bool:
        return self.form != "{}"

    def text(self, facts: Facts) -> str:
        return show(self.value(facts), self.form) or "-"


COLUMNS = (
    Column("dataset", "data set", lambda facts: facts.row.dataset, "{}"),
    Column("parameters", "parameters", lambda facts: facts.row.params, limit=True),
    Column("bytes", "bytes", lambda facts: facts.weight_bytes, limit=True),
    Column("multiply-adds", "multiply-adds", lambda facts: facts.row.multiply_adds),
    Column("worst", "misses, worst", lambda facts: facts.row.worst, limit=True),
    Column("mean", "misses, mean", lambda facts: facts.row.mean, "{:,.1f}"),
    Column("total", "test images", lambda facts: facts.row.total),
    Column("seeds", "seeds", lambda facts: len(facts.runs)),
    Column("epochs", "epochs", lambda facts: facts.row.epochs, limit=True),
    Column("seconds", "seconds", lambda facts: facts.row.train_seconds, limit=True),
    Column("verdict", "verdict", lambda facts: facts.verdict, "{}"),
)
"""The columns after the entry's name."""


def draw_leaderboard(
    facts: Sequence[Facts], published: Sequence[PublicFigure], reported: bool
) -> str:
    """The table as HTML, and the charts of each data set.

    `reported` says whether the verdicts include those of a report on every gate.
    """
    datasets = list(dict.fromkeys(one.entry.dataset for one in facts))
    groups = {}
    for name in datasets:
        group = [one for one in facts if one.entry.dataset == name and one.runs]
        public = published if name == "mnist" else ()
        if len(group) > 1:
            groups[name] = {
                axis.label: draw_pareto(f"{name}-{axis.name}", group, axis, public) for axis in AXES
            }
    return render(
        "leaderboard.html",
        facts=facts,
        columns=COLUMNS,
        datasets=datasets,
        verdicts=sorted({one.verdict for one in facts}),
        charts=groups,
        reported=reported,
        devices=sorted({one.row.device for one in facts if one.row.device}),
        unjudged=list(dict.fromkeys(gate for one in facts for gate in one.unjudged)),
    )


def put_leaderboard(page: str, leaderboard: str) -> str:
    """The page with the leaderboard where its mark is; raises `ValueError` without the mark."""
    if page.count(MARK) != 1:
        raise ValueError(f"docs/index.md must hold {MARK} once")
    return page.replace(MARK, leaderboard)
