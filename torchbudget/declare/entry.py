"""Entries: what a zoo file declares of a network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import partial
from typing import Any, ClassVar, Literal, Protocol, get_args, runtime_checkable

from torch import nn

from torchbudget.data.spec import DataSpec
from torchbudget.declare.budget import Budget
from torchbudget.declare.validation import (
    check,
    check_kind,
    check_tuple,
    describe_class,
    describe_no_tuple,
    reject,
)
from torchbudget.declare.views import View
from torchbudget.network.ensemble import EnsembleNetwork

Stored = Literal["float32", "float16", "int8"]
"""The precision of a weights file; `torchbudget.evidence.stored` says what each holds."""


@runtime_checkable
class TrainingRecipe(Protocol):
    """What a recipe says of its training, so that a run's history can be judged against it."""

    epochs: int
    batch_size: int
    val_images: int

    def lr_range(self) -> tuple[float, float]:
        """The least and the greatest learning rate that training can reach."""
        ...


@runtime_checkable
class ScheduledRecipe(TrainingRecipe, Protocol):
    """A recipe that gives the learning rate of every epoch, so that all of them are judged."""

    def learning_rates(
        self, steps_per_epoch: int, val_losses: Sequence[float | None]
    ) -> Sequence[float]:
        """The rate at the end of each epoch, as a history records it.

        `val_losses` are the history's, an epoch each: a schedule may watch them.
        """
        ...


@dataclass(frozen=True)
class DeclaredRecipe:
    """What a recipe said of itself, `described` as plain JSON, where its own class is not here.

    `teacher` is the `TaughtBy` that it held, if any.
    """

    described: Any
    val_images: int
    teacher: Any = field(default=None, kw_only=True)


@dataclass(frozen=True)
class DeclaredTraining(DeclaredRecipe):
    """A `TrainingRecipe` of which only what it said is here."""

    epochs: int
    batch_size: int
    lr: tuple[float, float]

    def lr_range(self) -> tuple[float, float]:
        """The least and the greatest learning rate that training can reach."""
        return self.lr


@dataclass(frozen=True)
class DeclaredSchedule(DeclaredTraining):
    """A `ScheduledRecipe` whose `rates` are here for some histories: (steps, val losses, rates)."""

    rates: tuple[tuple[int, tuple[float | None, ...], tuple[float, ...]], ...]

    def learning_rates(
        self, steps_per_epoch: int, val_losses: Sequence[float | None]
    ) -> Sequence[float]:
        """The rate at the end of each epoch; empty for a history that the recipe was not asked."""
        for steps, losses, rates in self.rates:
            if steps == steps_per_epoch and losses == tuple(val_losses):
                return rates
        return ()


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A named row of a zoo: a network and the budget that it is held to.

    `network` is called without arguments and maps normalised images (N, C, H, W) to logits
    (N, classes). `data` is the data set that it was trained and is tested on. `recipe` is all that
    is chosen about training, an instance of a dataclass; it may be None, and what needs a recipe is
    then not judged. `views` are what a prediction averages over (test-time augmentation); without
    any, the image is taken as it is. `stored` is the precision of the weights file: weights are
    rounded before the test images are read, so what ships is what was measured. `published` is the
    accuracy in per cent that `source` claims for it.
    """

    name: str
    network: Callable[[], nn.Module]
    data: DataSpec
    budget: Budget
    recipe: Any = None
    views: tuple[View, ...] = ()
    stored: Stored = "float32"
    source: str = ""
    published: float | None = None

    def __post_init__(self) -> None:
        name = self.name
        if not (isinstance(name, str) and name.isascii() and name.isidentifier()):
            reject(self, f"name must be an identifier (it names files), not {name!r}")
        if name != name.lower():
            reject(self, f"name must be in lower case (it names files), not {name!r}")
        self._check_network()
        if not isinstance(self.data, DataSpec):
            reject(self, f"data must be a data set such as data.npz(...), not {self.data!r}")
        if is_dataclass(self.recipe) and isinstance(self.recipe, type):
            kind = self.recipe.__name__
            reject(
                self,
                f"recipe must be an instance of a dataclass, not the class {self.recipe!r}; "
                f"write recipe={kind}(...)",
            )
        if self.recipe is not None and not is_instance_of_dataclass(self.recipe):
            reject(self, f"recipe must be an instance of a dataclass, not {self.recipe!r}")
        check_kind(self, Budget, "budget")
        check_kind(self, str, "source")
        check_tuple(self, "views", of=(View,))
        different = len(set(self.views)) == len(self.views)
        if not different or not all(isinstance(view, View) for view in self.views):
            reject(self, f"views must be different Views, not {self.views!r}")
        if self.data.image:
            for view in self.views:
                view.check_fits(self.data.image)
        if self.stored not in get_args(Stored):
            reject(self, f"stored must be float32, float16 or int8, not {self.stored!r}")
        if self.published is not None:
            check(self, published=(0, 100))

    def _check_network(self) -> None:
        if isinstance(self.network, nn.Module):
            kind = type(self.network).__name__
            reject(self, f"network must be the class {kind}, not an instance: network={kind}")
        if not callable(self.network):
            reject(self, f"network must be what makes a network, not {self.network!r}")

    @property
    def dataset(self) -> str:
        """The data set's name."""
        return self.data.name

    @property
    def val_images(self) -> int:
        """Training images that the recipe holds out to choose by; 0 without such a recipe."""
        return int(getattr(self.recipe, "val_images", 0))


def is_instance_of_dataclass(value: object) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


# --- ensembles ------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MemberRun:
    """In the record of an ensemble: a run whose network votes."""

    kind: ClassVar[str] = "Ballot"
    entry: str
    seed: int
    recipe: Any


@dataclass(frozen=True, kw_only=True)
class EnsembleRecipe:
    """In the record of an ensemble: what takes the place of a recipe."""

    kind: ClassVar[str] = "Election"
    vote: str
    ballots: tuple[MemberRun, ...]

    @property
    def val_images(self) -> int:
        return int(getattr(self.ballots[0].recipe, "val_images", 0))


@dataclass(frozen=True, kw_only=True)
class Member:
    """The networks that an entry's runs with `seeds` ended with."""

    entry: Entry
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        check_kind(self, Entry, "entry")
        num_declared = self.entry.budget.seeds
        seeds = self.seeds
        known = isinstance(seeds, tuple) and bool(seeds) and set(seeds) <= set(range(num_declared))
        if not known or len(set(seeds)) < len(seeds):
            reject(
                self,
                f"seeds must be different ones of the {num_declared} that {self.entry.name} "
                f"declares, not {seeds!r}",
            )
        if isinstance(self.entry, Ensemble) or self.entry.views:
            reject(
                self,
                f"{self.entry.name} votes or has views itself; an ensemble's members are plain "
                "entries, its views are its own",
            )


@dataclass(frozen=True, kw_only=True)
class Ensemble(Entry):
    """An entry whose network is several trained ones that vote.

    They vote by mean "logits" (the same class as their sum) or mean "probabilities". Parameters,
    bytes and multiply-adds are those of all members; `budget.max_epochs` bounds each member. It
    ships no weights of its own: it is measured from its members'. All members are trained on the
    same images.
    """

    network: Callable[[], nn.Module] = field(init=False)
    data: DataSpec = field(init=False)
    recipe: EnsembleRecipe = field(init=False)
    stored: Stored = field(init=False, default="float32")
    members: tuple[Member, ...]
    vote: Literal["logits", "probabilities"] = "logits"

    def __post_init__(self) -> None:
        members = self.members
        if not isinstance(members, tuple):
            mistake = describe_no_tuple("members", members, (Member,))
            reject(self, f"members must be a tuple of Members, not {members!r}{mistake}")
        mistake = describe_class("members", members, (Member,))
        if mistake:
            reject(self, mistake)
        if not members or not all(isinstance(member, Member) for member in members):
            reject(self, f"members must be a tuple of Members, not {members!r}")
        if self.vote not in ("logits", "probabilities"):
            reject(self, f"vote must be logits or probabilities, not {self.vote!r}")
        if self.budget.seeds != 1:
            reject(
                self, f"budget.seeds must be 1, not {self.budget.seeds}: the seeds are its members'"
            )
        images = {(entry.dataset, entry.val_images) for entry, _ in self.member_runs}
        if len(images) > 1:
            shown = ", ".join(f"{name} less {val:,} for val" for name, val in sorted(images))
            reject(self, f"members must be trained on the same images, not {shown}")
        networks = tuple(entry.network for entry, _ in self.member_runs)
        ballots = tuple(
            MemberRun(entry=entry.name, seed=seed, recipe=entry.recipe)
            for entry, seed in self.member_runs
        )
        object.__setattr__(self, "network", partial(EnsembleNetwork, networks, self.vote))
        object.__setattr__(self, "recipe", EnsembleRecipe(vote=self.vote, ballots=ballots))
        object.__setattr__(self, "data", members[0].entry.data)
        super().__post_init__()

    @property
    def member_runs(self) -> tuple[tuple[Entry, int], ...]:
        """(entry, seed) of each network that votes."""
        return tuple((member.entry, seed) for member in self.members for seed in member.seeds)


# --- declarations as data -------------------------------------------------------------------------


def describe(value: Any) -> Any:
    """A declaration as plain JSON.

    Each dataclass becomes its fields under its `kind`, each tuple a list, and an entry its name.
    """
    if isinstance(value, DeclaredRecipe):
        return value.described
    if isinstance(value, Entry):
        return value.name
    if is_instance_of_dataclass(value):
        kind = getattr(value, "kind", type(value).__name__)
        parts = {part.name: describe(getattr(value, part.name)) for part in fields(value)}
        return {"kind": kind} | parts
    if isinstance(value, (tuple, list)):
        return [describe(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): describe(item) for key, item in value.items()}
    return value


def changed_fields(was: Any, now: Any, prefix: str = "") -> list[tuple[str, Any, Any]]:
    """(field, then, now) of each part that differs between two described declarations.

    A field that one of them does not have is None there.
    """
    if isinstance(was, dict) and isinstance(now, dict) and was.get("kind") == now.get("kind"):
        changes = []
        for name in {**was, **now}:
            path = f"{prefix}.{name}" if prefix else name
            changes += changed_fields(was.get(name), now.get(name), path)
        return changes
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        differs = any(changed_fields(one, other) for one, other in zip(was, now, strict=True))
        return [(prefix, was, now)] if differs else []
    return [] if was == now else [(prefix, was, now)]
