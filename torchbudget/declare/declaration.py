"""What a zoo file declares, as plain JSON, and back.

The zoo file runs in a process of its own; the judge reads this form. Reading it makes values of our
own classes only, which check themselves, so every number that a gate compares is a plain one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import MappingProxyType
from typing import Any

from torch import nn

from torchbudget.data.images import Dataset, ImageSpec
from torchbudget.data.loading import LOADER_KINDS, LOADERS
from torchbudget.data.spec import DataSpec, Place
from torchbudget.declare.budget import (
    BatchNorm,
    Budget,
    Dropout,
    GlobalAveragePooling,
    NoDenseOnMap,
    Slack,
)
from torchbudget.declare.entry import (
    DeclaredRecipe,
    DeclaredSchedule,
    DeclaredTraining,
    Ensemble,
    Entry,
    Member,
    ScheduledRecipe,
    TrainingRecipe,
    describe,
)
from torchbudget.declare.teaching import TaughtBy, find_teacher
from torchbudget.declare.views import View
from torchbudget.errors import DeclarationError

VALUES: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        *(BatchNorm, Budget, Dropout, GlobalAveragePooling, NoDenseOnMap, Slack, View),
        *(DataSpec, ImageSpec),
        *LOADER_KINDS,
    )
}
"""Classes whose values a declaration may hold, each a dataclass, by their names."""


@dataclass(frozen=True)
class NetworkReference:
    """Stands for an entry's network where its code is not to run: the captured network `key`."""

    key: str

    def __call__(self) -> nn.Module:
        raise TypeError("a network that was captured is read, not built")


@dataclass(frozen=True)
class ForeignLoader:
    """Stands for a loader that is somebody's own function: its data come from the builder.

    `load` is set by whoever reads the declaration.
    """

    name: str
    load: Callable[[str], Dataset]

    def __call__(self, place: Place) -> Dataset:
        return self.load(self.name)


# --- writing --------------------------------------------------------------------------------------


History = tuple[int, Sequence[float | None]]
"""Of a run: its training images, and the val loss of each epoch."""


def to_declaration(entry: Entry, network: str, histories: Sequence[History] = ()) -> dict[str, Any]:
    """What `entry` declares, as JSON; `network` names its captured network.

    A recipe with a schedule is asked for the learning rates of each of `histories`.
    """
    declared = {
        "name": entry.name,
        "network": network,
        "budget": _encode(entry.budget),
        "views": _encode(entry.views),
        "source": entry.source,
        "published": entry.published,
    }
    if isinstance(entry, Ensemble):
        members = [[member.entry.name, list(member.seeds)] for member in entry.members]
        return declared | {"members": members, "vote": entry.vote}
    return declared | {
        "data": _encode(entry.data),
        "recipe": _encode_recipe(entry.recipe, histories),
        "teacher": _encode_teacher(find_teacher(entry)),
        "stored": entry.stored,
    }


def _encode_teacher(teacher: TaughtBy | None) -> list[Any] | None:
    """[the entry's name, its seeds]."""
    return None if teacher is None else [teacher.entry.name, list(teacher.seeds)]


def _encode_recipe(recipe: Any, histories: Sequence[History]) -> dict[str, Any] | None:
    if recipe is None:
        return None
    if isinstance(recipe, TrainingRecipe):
        declared = {
            "described": describe(recipe),
            "epochs": recipe.epochs,
            "batch_size": recipe.batch_size,
            "val_images": recipe.val_images,
            "lr_range": list(recipe.lr_range()),
        }
        if isinstance(recipe, ScheduledRecipe):
            declared["rates"] = [_ask_rates(recipe, *history) for history in histories]
        return declared
    return {"described": describe(recipe), "val_images": int(getattr(recipe, "val_images", 0))}


def _ask_rates(
    recipe: ScheduledRecipe, train_images: int, val_losses: Sequence[float | None]
) -> list[Any]:
    """[steps an epoch, val losses, learning rates] of a history; no rates where it has none."""
    steps = train_images // max(1, min(recipe.batch_size, train_images))
    rates: list[float] = []
    if steps and len(val_losses) == recipe.epochs:
        rates = [float(rate) for rate in recipe.learning_rates(steps, val_losses)]
    return [steps, list(val_losses), rates]


def _encode(value: Any) -> Any:
    kind: str = type(value).__name__
    if VALUES.get(kind) is type(value):
        return {"kind": kind} | {
            part.name: _encode(getattr(value, part.name)) for part in fields(VALUES[kind])
        }
    if isinstance(value, Mapping):
        return {"kind": "mapping", "items": {str(key): str(item) for key, item in value.items()}}
    if isinstance(value, frozenset):
        return {"kind": "set", "items": sorted((_encode(item) for item in value), key=str)}
    if isinstance(value, (tuple, list)):
        return [_encode(item) for item in value]
    if callable(value):
        name = getattr(value, "__name__", "")
        if LOADERS.get(name) is value:
            return {"kind": "loader", "name": name}
        return {"kind": "foreign"}
    return value


# --- reading --------------------------------------------------------------------------------------


def from_declarations(
    declared: list[dict[str, Any]], load_foreign: Callable[[str], Dataset]
) -> dict[str, Entry]:
    """The entries that `to_declaration` wrote, by name, in their order.

    `load_foreign` gives the images of the entry so named where somebody's own function loads them.
    Raises `DeclarationError` for what no zoo file can declare.
    """
    entries: dict[str, Entry] = {}
    waiting = list(declared)
    try:
        while waiting:
            ready = [part for part in waiting if _list_needed(part) <= entries.keys()]
            if not ready:
                raise DeclarationError("the zoo's entries need one another, or one that is missing")
            for part in ready:
                if "members" in part:
                    entries[part["name"]] = _read_ensemble(part, entries)
                else:
                    entries[part["name"]] = _read_entry(part, entries, load_foreign)
            waiting = [part for part in waiting if part["name"] not in entries]
        return {part["name"]: entries[part["name"]] for part in declared}
    except (TypeError, KeyError, ValueError, AttributeError, RecursionError) as error:
        if isinstance(error, DeclarationError):
            raise
        raise DeclarationError(f"the zoo's declarations are not of their form: {error}") from error


def _list_needed(declared: dict[str, Any]) -> set[str]:
    """The names of the entries that a declaration is made of, and of its teacher."""
    if "members" in declared:
        return {name for name, _ in declared["members"]}
    return set(declared["teacher"][:1]) if declared["teacher"] else set()


def _read_entry(
    declared: dict[str, Any], entries: dict[str, Entry], load_foreign: Callable[[str], Dataset]
) -> Entry:
    name = declared["name"]
    return Entry(
        name=name,
        network=NetworkReference(_text(declared["network"])),
        data=_decode(declared["data"], ForeignLoader(name, load_foreign)),
        budget=_decode(declared["budget"]),
        recipe=_read_recipe(declared["recipe"], _read_teacher(declared["teacher"], entries)),
        views=_decode(declared["views"]),
        stored=declared["stored"],
        source=_text(declared["source"]),
        published=_number(declared["published"]),
    )


def _read_ensemble(declared: dict[str, Any], entries: dict[str, Entry]) -> Ensemble:
    members = tuple(
        Member(entry=entries[name], seeds=tuple(seeds)) for name, seeds in declared["members"]
    )
    return Ensemble(
        name=declared["name"],
        members=members,
        vote=declared["vote"],
        budget=_decode(declared["budget"]),
        views=_decode(declared["views"]),
        source=_text(declared["source"]),
        published=_number(declared["published"]),
    )


def _read_teacher(declared: list[Any] | None, entries: dict[str, Entry]) -> TaughtBy | None:
    if declared is None:
        return None
    name, seeds = declared
    return TaughtBy(entry=entries[name], seeds=tuple(seeds))


def _read_recipe(
    declared: dict[str, Any] | None, teacher: TaughtBy | None
) -> DeclaredRecipe | None:
    if declared is None:
        return None
    if "lr_range" not in declared:
        return DeclaredRecipe(
            declared["described"], _count(declared["val_images"]), teacher=teacher
        )
    least, greatest = map(_number, declared["lr_range"])
    plain = (
        declared["described"],
        _count(declared["val_images"]),
        _count(declared["epochs"]),
        _count(declared["batch_size"]),
        (float(least or 0.0), float(greatest or 0.0)),
    )
    if "rates" not in declared:
        return DeclaredTraining(*plain, teacher=teacher)
    rates = tuple(
        (_count(steps), tuple(map(_number, losses)), tuple(float(rate) for rate in found))
        for steps, losses, found in declared["rates"]
    )
    return DeclaredSchedule(*plain, rates, teacher=teacher)


def _decode(value: Any, foreign: ForeignLoader | None = None) -> Any:
    if isinstance(value, list):
        return tuple(_decode(item, foreign) for item in value)
    if not isinstance(value, dict):
        return value
    parts = dict(value)
    kind = parts.pop("kind")
    if kind == "mapping":
        return MappingProxyType(dict(parts["items"]))
    if kind == "set":
        return frozenset(_decode(item) for item in parts["items"])
    if kind == "loader":
        return LOADERS[parts["name"]]
    if kind == "foreign":
        return foreign
    return VALUES[kind](**{name: _decode(item, foreign) for name, item in parts.items()})


def _text(value: Any) -> str:
    if type(value) is not str:
        raise DeclarationError(f"a text is declared as {value!r}")
    return value


def _number(value: Any) -> float | int | None:
    if value is None or type(value) is int or type(value) is float:
        number: float | int | None = value
        return number
    raise DeclarationError(f"a number is declared as {value!r}")


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise DeclarationError(f"a count is declared as {value!r}")
    return value
