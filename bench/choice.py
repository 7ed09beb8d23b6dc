"""What a bench measures, and on which data."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_dataset
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import ZooError
from utils.recipe import SWA, Recipe

ROOT = Path(__file__).resolve().parent.parent
DEFAULTS = ("sprint", "slim")
"""The entry that is measured by default: the first of these that the zoo has."""

DASH = "dash"


def cut_short(recipe: Recipe, epochs: int | None) -> Recipe:
    """`recipe` with that many epochs, without the phases that they leave no room for."""
    if epochs is None:
        return recipe
    changes: dict[str, Any] = {"epochs": epochs}
    if recipe.finish and recipe.finish.epochs >= epochs:
        changes["finish"] = None
    if recipe.rounding and recipe.rounding.epochs > epochs:
        changes["rounding"] = None
    if isinstance(recipe.average, SWA) and recipe.average.start_epoch >= epochs:
        changes["average"] = None
    return replace(recipe, **changes)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The options.

    `named` is the entry asked for, `epochs` the length of runs cut short, `since` the commit that
    `quick` compares with.
    """

    named: str | None = None
    data: str = "mnist"
    data_root: Path | None = None
    repeats: int = 5
    seeds: int = 10
    epochs: int | None = None
    since: str | None = None
    plot: Path = Path("bench/accuracy.png")
    checkpoints: Path = Path("checkpoints/bench")

    @cached_property
    def zoo(self) -> dict[str, Entry]:
        return load_zoo(ROOT / "zoo.py")

    @cached_property
    def entry(self) -> Entry:
        """The entry to measure; raises `ZooError` for an ensemble, which is not trained itself."""
        name = self.named or next(name for name in DEFAULTS if name in self.zoo)
        (entry,) = select_entries(self.zoo, [name])
        if isinstance(entry, Ensemble):
            raise ZooError(
                f"{entry.name} is an ensemble; --entry names an entry that is trained itself"
            )
        return entry

    @cached_property
    def dash(self) -> Entry | None:
        """The zoo's entry for 99.0 %, which is measured beside `sprint`; None beside another."""
        return self.zoo.get(DASH) if self.entry.name == DEFAULTS[0] else None

    @cached_property
    def dataset(self) -> Dataset:
        return load_dataset(self.data, self.data_root)

    @property
    def words_of_root(self) -> list[str]:
        """What tells a command that runs in another folder where the data sets are."""
        return [] if self.data_root is None else ["--data-root", str(self.data_root.resolve())]

    def describe(self) -> dict[str, object]:
        return {
            "entry": self.entry.name,
            "dataset": self.data,
            "repeats": self.repeats,
            "seeds": self.seeds,
            "epochs": self.epochs,
        }
