"""Entries: what a zoo file declares of a network."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from typing import ClassVar, Literal

from torch import nn

from torchbudget.declare.budget import Budget
from torchbudget.declare.validation import check, check_kind, reject
from torchbudget.declare.views import View
from torchbudget.network.ensemble import EnsembleNetwork


@dataclass(frozen=True, kw_only=True)
class MemberRun:
    """A run that votes."""

    kind: ClassVar[str] = "Ballot"
    entry: str
    seed: int
    recipe: object


@dataclass(frozen=True, kw_only=True)
class EnsembleRecipe:
    """What takes the place of a recipe in the record of an ensemble."""

    kind: ClassVar[str] = "Election"
    vote: str
    ballots: tuple[MemberRun, ...]

    @property
    def val_images(self) -> int:
        return self.ballots[0].recipe.val_images


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A named row of the zoo. `network` is called without arguments and maps (N, 1, 28, 28) normalised images to (N, 10) logits.

    `views` are what a prediction averages over (test-time augmentation); none is the image as it is. `stored` is the precision of the
    weights file; what ships is what is measured: weights are rounded before the test images are read. `published` is the accuracy in
    per cent that `source` claims for it.
    """

    name: str
    network: Callable[[], nn.Module]
    recipe: object
    budget: Budget
    dataset: str = "mnist"
    views: tuple[View, ...] = ()
    stored: Literal["float32", "float16"] = "float32"
    source: str = ""
    published: float | None = None

    def __post_init__(self) -> None:
        if not (
            isinstance(self.name, str)
            and self.name.isascii()
            and self.name.isidentifier()
            and self.name == self.name.lower()
        ):
            reject(
                self, f"name must be a lower-case identifier (it names files), not {self.name!r}"
            )
        if not callable(self.network) or isinstance(self.network, nn.Module):
            reject(
                self,
                f"network must be what makes a network (a class, not an instance), not {self.network!r}",
            )
        check_recipe(self)
        check_kind(self, Budget, "budget")
        check_kind(self, str, "dataset", "source")
        check_kind(self, tuple, "views")
        if not all(isinstance(view, View) for view in self.views) or len(set(self.views)) < len(
            self.views
        ):
            reject(self, f"views must be different Views, not {self.views!r}")
        if self.stored not in ("float32", "float16"):
            reject(self, f"stored must be float32 or float16, not {self.stored!r}")
        if self.published is not None:
            check(self, published=(0, 100))

    @property
    def voters(self) -> tuple[tuple["Entry", int], ...]:
        """(entry, seed) of each network that votes; none where the network answers alone."""
        return ()


def check_recipe(entry: Entry) -> None:
    """Reject a recipe that is no declaration: the record keeps it field by field."""
    if not is_dataclass(entry.recipe) or isinstance(entry.recipe, type):
        reject(entry, f"recipe must be a Recipe, an instance of a dataclass, not {entry.recipe!r}")


@dataclass(frozen=True, kw_only=True)
class Member:
    """The networks that an entry's runs with `seeds` ended with."""

    entry: Entry
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        check_kind(self, Entry, "entry")
        declared = range(self.entry.budget.seeds)
        if (
            not isinstance(self.seeds, tuple)
            or not self.seeds
            or not set(self.seeds) <= set(declared)
            or len(set(self.seeds)) < len(self.seeds)
        ):
            reject(
                self,
                f"seeds must be different ones of the {len(declared)} that {self.entry.name} declares, not {self.seeds!r}",
            )
        if self.entry.voters or self.entry.views:
            reject(
                self,
                f"{self.entry.name} votes or has views itself; an ensemble's members are plain entries, its views are its own",
            )


@dataclass(frozen=True, kw_only=True)
class Ensemble(Entry):
    """An entry whose network is several trained ones that vote, by mean "logits" (the same digit as their sum) or mean "probabilities".

    Parameters, bytes and multiply-adds are those of all members; `budget.max_epochs` bounds each member. It ships no weights of its own:
    it is measured from its members'. All members are trained on the same images.
    """

    network: Callable[[], nn.Module] = field(init=False)
    recipe: EnsembleRecipe = field(init=False)
    dataset: str = field(init=False)
    stored: str = field(init=False, default="float32")
    members: tuple[Member, ...]
    vote: Literal["logits", "probabilities"] = "logits"

    def __post_init__(self) -> None:
        if (
            not isinstance(self.members, tuple)
            or not self.members
            or not all(isinstance(member, Member) for member in self.members)
        ):
            reject(self, f"members must be a tuple of Members, not {self.members!r}")
        if self.vote not in ("logits", "probabilities"):
            reject(self, f"vote must be logits or probabilities, not {self.vote!r}")
        if self.budget.seeds != 1:
            reject(
                self, f"budget.seeds must be 1, not {self.budget.seeds}: the seeds are its members'"
            )
        images = {(entry.dataset, entry.recipe.val_images) for entry, _ in self.voters}
        if len(images) > 1:
            reject(
                self,
                f"members must be trained on the same images, not {', '.join(f'{name} less {val:,} for val' for name, val in sorted(images))}",
            )
        ballots = tuple(
            MemberRun(entry=entry.name, seed=seed, recipe=entry.recipe)
            for entry, seed in self.voters
        )
        object.__setattr__(
            self,
            "network",
            partial(EnsembleNetwork, tuple(entry.network for entry, _ in self.voters), self.vote),
        )
        object.__setattr__(self, "recipe", EnsembleRecipe(vote=self.vote, ballots=ballots))
        object.__setattr__(self, "dataset", self.members[0].entry.dataset)
        super().__post_init__()

    @property
    def voters(self) -> tuple[tuple[Entry, int], ...]:
        return tuple((member.entry, seed) for member in self.members for seed in member.seeds)


def describe(value: object) -> object:
    """A declaration as plain JSON: each dataclass becomes its fields under its `kind`, each tuple a list."""
    if hasattr(value, "__dataclass_fields__"):
        return {"kind": getattr(value, "kind", type(value).__name__)} | {
            field.name: describe(getattr(value, field.name)) for field in fields(value)
        }
    if isinstance(value, tuple):
        return [describe(item) for item in value]
    return value


def changed_fields(was: object, now: object, prefix: str = "") -> list[tuple[str, object, object]]:
    """(field, then, now) of each part that differs between two described declarations; a field that one does not have is None there."""
    if isinstance(was, dict) and isinstance(now, dict) and was.get("kind") == now.get("kind"):
        return [
            change
            for name in {**was, **now}
            for change in changed_fields(
                was.get(name), now.get(name), f"{prefix}.{name}" if prefix else name
            )
        ]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return (
            [(prefix, was, now)]
            if any(changed_fields(one, other) for one, other in zip(was, now, strict=True))
            else []
        )
    return [] if was == now else [(prefix, was, now)]
