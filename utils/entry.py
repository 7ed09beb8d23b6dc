"""What a zoo file declares: entries of a network, a recipe and a budget. All that a declaration is made of can be imported from here."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

from torch import nn

from utils.augmentations import Affine, Augmentation, Cutout, Darken, Erase, Jitter, PadCrop, Squeeze, Swell
from utils.bounds import check_kind, reject
from utils.budget import BatchNorm, Budget, Dropout, GlobalAveragePooling, NoDenseOnMap, Requirement, Slack
from utils.recipe import EMA, SGD, SWA, Adam, Average, Constant, Cosine, OneCycle, Optimizer, Recipe, ReduceOnPlateau, Schedule

__all__ = [
    "EMA", "SGD", "SWA", "Adam", "Affine", "Augmentation", "Average", "BatchNorm", "Budget", "Constant", "Cosine", "Cutout", "Darken",
    "Dropout", "Entry", "Erase", "GlobalAveragePooling", "Jitter", "NoDenseOnMap", "OneCycle", "Optimizer", "PadCrop", "Recipe", "ReduceOnPlateau",
    "Requirement", "Schedule", "Slack", "Squeeze", "Swell", "changed_fields", "describe",
]  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A named row of the zoo. `network` is called without arguments and maps (N, 1, 28, 28) normalised images to (N, 10) logits.

    `stored` is the precision of the weights file. What ships is what is measured: weights are rounded before the test images are read.
    """

    name: str
    network: Callable[[], nn.Module]
    recipe: Recipe
    budget: Budget
    dataset: str = "mnist"
    source: str = ""
    stored: Literal["float32", "float16"] = "float32"

    def __post_init__(self) -> None:
        if not (isinstance(self.name, str) and self.name.isascii() and self.name.isidentifier() and self.name == self.name.lower()):
            reject(self, f"name must be a lower-case identifier (it names files), not {self.name!r}")
        if not callable(self.network) or isinstance(self.network, nn.Module):
            reject(self, f"network must be what makes a network (a class, not an instance), not {self.network!r}")
        check_kind(self, Recipe, "recipe")
        check_kind(self, Budget, "budget")
        check_kind(self, str, "dataset", "source")
        if self.stored not in ("float32", "float16"):
            reject(self, f"stored must be float32 or float16, not {self.stored!r}")


def describe(value: object) -> object:
    """A declaration as plain JSON: each dataclass becomes its fields under its `kind`, each tuple a list."""
    if hasattr(value, "__dataclass_fields__"):
        return {"kind": type(value).__name__} | {field.name: describe(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, tuple):
        return [describe(item) for item in value]
    return value


def changed_fields(was: object, now: object, prefix: str = "") -> list[tuple[str, object, object]]:
    """(field, then, now) of each part that differs between two described declarations."""
    if isinstance(was, dict) and isinstance(now, dict) and was.get("kind") == now.get("kind"):
        return [change for name in {**was, **now} for change in changed_fields(was.get(name), now.get(name), f"{prefix}.{name}" if prefix else name)]
    return [] if was == now else [(prefix, was, now)]
