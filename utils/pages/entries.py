"""The page of an entry."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Ensemble, Entry
from utils.cards import describe_class
from utils.literal import literal
from utils.pages.curves import draw_curves
from utils.pages.diagram import draw_network
from utils.pages.digits import Sheet
from utils.pages.facts import JUDGED_HERE, Facts
from utils.pages.rendering import render

MAX_CLASSES = 20
"""Above that a confusion matrix is no longer readable as a table."""


@dataclass(frozen=True, kw_only=True)
class Missed:
    """A missed test image: its place in the data set's sheet, and what each seed took it for."""

    index: int
    label: int | None
    predictions: Mapping[int, int]
    place: tuple[int, int]

    @property
    def words(self) -> str:
        """Such as "7 taken for 1 or 9"; without the true class where that is unknown."""
        taken = " or ".join(str(name) for name in sorted(set(self.predictions.values())))
        return f"taken for {taken}" if self.label is None else f"{self.label} taken for {taken}"

    def describe_seeds(self, num_seeds: int) -> str:
        """Which of the entry's seeds miss it, such as "seeds 0, 2"."""
        if len(self.predictions) == num_seeds:
            return "all seeds"
        named = ", ".join(map(str, sorted(self.predictions)))
        return f"seeds {named}" if len(self.predictions) > 1 else f"seed {named}"


def write_entry(
    facts: Facts, sheet: Sheet, *, card: str = "", onnx: str = "", neighbours: Sequence[str] = ()
) -> str:
    """The page as Markdown.

    `card` is the text of its model card, `onnx` the address of its exported network from the root
    of the site; both may be "". `neighbours` are the entries before and after it.
    """
    entry = facts.entry
    image = entry.data.image
    pictures = {}
    if facts.network and image:
        for name, blocks in facts.network.parts.items():
            pictures[name] = draw_network(name, blocks, image.shape)
    missed = [
        Missed(
            index=index,
            label=sheet.label_of(index),
            predictions=predictions,
            place=sheet.place_of(index),
        )
        for index, predictions in facts.missed_by.items()
    ]
    confusion = facts.runs[0].confusion if facts.runs else []
    if len(confusion) > MAX_CLASSES:
        confusion = []
    return render(
        "entry.md",
        facts=facts,
        entry=entry,
        summary=describe_network(entry),
        members=count_members(entry),
        recipe="" if isinstance(entry, Ensemble) else literal(entry.recipe),
        budget=list_limits(entry.budget),
        judged_here=JUDGED_HERE,
        reported=[one.gate for one in facts.verdicts if one.gate not in JUDGED_HERE],
        pictures=pictures,
        curves=draw_curves(entry.name, facts.runs),
        confusion=confusion,
        most_confused=count_most_confused(confusion),
        missed=missed,
        sheet=sheet,
        card=card,
        onnx=onnx,
        neighbours=neighbours,
    )


def describe_network(entry: Entry) -> str:
    """The first paragraph of what the network says of itself; of an ensemble who votes."""
    if isinstance(entry, Ensemble):
        return f"{len(entry.member_runs)} trained networks vote by their mean {entry.vote}."
    return describe_class(entry)


def count_most_confused(confusion: Sequence[Sequence[int]]) -> int:
    """The largest count off the diagonal, at least 1."""
    wrong = [
        count
        for label, row in enumerate(confusion)
        for predicted, count in enumerate(row)
        if label != predicted
    ]
    return max([1, *wrong])


def count_members(entry: Entry) -> dict[str, list[int]]:
    """The seeds of each entry that votes in an ensemble; empty for another entry."""
    members: dict[str, list[int]] = {}
    if isinstance(entry, Ensemble):
        for member, seed in entry.member_runs:
            members.setdefault(member.name, []).append(seed)
    return members


def list_limits(budget: Budget) -> dict[str, str]:
    """Each declared limit and requirement, as the zoo file writes it."""
    limits = {}
    for part in dataclasses.fields(budget):
        value = getattr(budget, part.name)
        if value != part.default:
            limits[part.name] = f"{value:,}" if type(value) is int else literal(value)
    return limits
