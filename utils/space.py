"""The recipes around a declared one: which of its numbers move in a search, and how far.

A range comes from the name and the declared value of a field, pulled in to what the declaration itself accepts; a field without
a rule here, or declared as 0 or None, stays as it is unless somebody gives it a range.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial

from torchbudget.declare.entry import Entry

RANGE = re.compile(r"(?P<field>[\w.]+)=(?P<low>[^:]+):(?P<high>[^:]+?)(?P<log>:log)?")


class SpaceError(ValueError):
    """A range that cannot be searched; the message says which and why."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """Both ends count. `log`: orders of magnitude are drawn alike. `whole`: integers only."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


def _times(factor: float, log: bool = False) -> Callable[[float], tuple[float, float, bool]]:
    return lambda value: (value / factor, value * factor, log)


def _near_one(value: float) -> tuple[float, float, bool]:
    return 1 - 4 * (1 - value), 1 - (1 - value) / 4, False


def _from_zero(value: float) -> tuple[float, float, bool]:
    return 0, 2 * value, False


RULES = {
    **dict.fromkeys(("lr", "max_lr"), _times(5, log=True)),
    "weight_decay": _times(10, log=True),
    "batch_size": _times(2, log=True),
    **dict.fromkeys(("momentum", "beta1", "decay"), _near_one),
    **dict.fromkeys(
        ("pct_start", "p", "fraction", "factor", "padding", "size", "per_class"), _times(2)
    ),
    **dict.fromkeys(
        ("rotate", "translate", "scale", "shear", "brightness", "contrast"), _from_zero
    ),
    "label_smoothing": lambda value: (0, max(0.2, 2 * value), False),
}
"""Name of a field: the range around its declared value, as (low, high, log)."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """`entry` as declared, and the `ranges` of what moves, by dotted name: "schedule.max_lr", "augment.0.rotate", "network.width"."""

    entry: Entry
    ranges: dict[str, Range]

    @property
    def declared(self) -> dict[str, float]:
        numbers = list_numbers(self.entry)
        return {name: numbers[name][0] for name in self.ranges}

    @property
    def holds_declared(self) -> bool:
        return all(
            self.ranges[name].low <= value <= self.ranges[name].high
            for name, value in self.declared.items()
        )

    def apply(self, values: dict[str, float]) -> Entry:
        """The entry with `values`, five digits of each that is not the declared one. Raises `ValueError` where the declarations reject them together."""
        declared = self.declared
        settled = {
            name: declared[name]
            if value == declared[name]
            else _settle(value, self.ranges[name].whole)
            for name, value in values.items()
        }
        arguments = {
            name.removeprefix("network."): value
            for name, value in settled.items()
            if name.startswith("network.") and value != declared[name]
        }
        recipe = with_numbers(
            self.entry.recipe,
            {name: value for name, value in settled.items() if not name.startswith("network.")},
        )
        return replace(
            self.entry,
            recipe=recipe,
            network=partial(self.entry.network, **arguments) if arguments else self.entry.network,
        )


def make_space(entry: Entry, searched: list[str] = (), fixed: list[str] = ()) -> Space:
    """The space around `entry`: derived ranges, those of `searched` ("FIELD=LOW:HIGH[:log]") over them, less `fixed` and all beneath. Raises `SpaceError`."""
    numbers = list_numbers(entry)
    ranges = {
        name: _derive(entry, name, *number)
        for name, number in numbers.items()
        if name.split(".")[-1] in RULES and not name.startswith("network.")
    }
    ranges = {name: each for name, each in ranges.items() if each.low < each.high}
    for name in fixed:
        beneath = {each for each in numbers if f"{each}.".startswith(f"{name}.")}
        if not beneath:
            raise _unknown(name, entry)
        ranges = {each: ranges[each] for each in ranges if each not in beneath}
    ranges |= dict(_parse(text, entry) for text in searched)
    if not ranges:
        raise SpaceError(
            f"nothing of {entry.name} is left to search; --fix less, or name a range: --search FIELD=LOW:HIGH"
        )
    return Space(entry=entry, ranges=ranges)


def list_numbers(entry: Entry) -> dict[str, tuple[float, bool]]:
    """Each number that the recipe declares and each that the network takes: its value, and whether it is a whole one."""
    found = dict(_list_numbers(entry.recipe))
    for name, parameter in inspect.signature(entry.network).parameters.items():
        if _is_number(parameter.default):
            found[f"network.{name}"] = parameter.default, isinstance(parameter.default, int)
    return {name: number for name, number in found.items() if name not in ("epochs", "val_images")}


def _list_numbers(value: object, prefix: str = "") -> Iterator[tuple[str, tuple[float, bool]]]:
    for field in fields(value):
        item, name = getattr(value, field.name), prefix + field.name
        if is_dataclass(item):
            yield from _list_numbers(item, f"{name}.")
        elif isinstance(item, tuple):
            for index, part in enumerate(item):
                yield from _list_numbers(part, f"{name}.{index}.")
        elif _is_number(item):
            yield name, (item, field.type is int)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def with_numbers(value: object, changes: dict[str, float]) -> object:
    """The declaration `value` with the numbers at the dotted names of `changes`, checked once, when all are in place."""
    if "" in changes:
        return changes[""]
    parts: dict[str, dict[str, float]] = {}
    for name, number in changes.items():
        head, _, rest = name.partition(".")
        parts.setdefault(head, {})[rest] = number
    if isinstance(value, tuple):
        return tuple(
            with_numbers(item, parts.get(str(index), {})) for index, item in enumerate(value)
        )
    return replace(
        value, **{head: with_numbers(getattr(value, head), rest) for head, rest in parts.items()}
    )


def _settle(value: float, whole: bool) -> float:
    return round(value) if whole else float(f"{value:.5g}")


def _accepts(entry: Entry, name: str, value: float) -> bool:
    try:
        with_numbers(entry.recipe, {name: value})
    except ValueError:
        return False
    return True


def _derive(entry: Entry, name: str, value: float, whole: bool) -> Range:
    low, high, log = RULES[name.split(".")[-1]](value)
    low, high = (_pull_in(entry, name, value, end, whole) for end in (low, high))
    return Range(low=low, high=high, log=log, whole=whole)


def _pull_in(entry: Entry, name: str, value: float, end: float, whole: bool) -> float:
    """The end of a range, or the first point half-way to `value`, and half-way again, that the declarations accept."""
    for _ in range(50):
        if _accepts(entry, name, settled := _settle(end, whole)):
            return settled
        end = value + (math.trunc((end - value) / 2) if whole else (end - value) / 2)
    return value


def _parse(text: str, entry: Entry) -> tuple[str, Range]:
    if not (match := RANGE.fullmatch(text)):
        raise SpaceError(f"--search {text}: the form is FIELD=LOW:HIGH or FIELD=LOW:HIGH:log")
    numbers, name, log = list_numbers(entry), match["field"].replace("-", "_"), bool(match["log"])
    if name not in numbers:
        raise _unknown(name, entry)
    try:
        low, high = ((int if numbers[name][1] else float)(match[end]) for end in ("low", "high"))
    except ValueError as error:
        raise SpaceError(
            f"--search {text}: {'whole numbers' if numbers[name][1] else 'numbers'} are wanted for {name}"
        ) from error
    if not -math.inf < low < high < math.inf or (log and low <= 0):
        raise SpaceError(
            f"--search {text}: LOW must be below HIGH{', and above 0 for log' if log else ''}"
        )
    if not name.startswith("network."):
        with_numbers(entry.recipe, {name: low}), with_numbers(entry.recipe, {name: high})
    return name, Range(low=low, high=high, log=log, whole=numbers[name][1])


def _unknown(name: str, entry: Entry) -> SpaceError:
    return SpaceError(
        f"{entry.name} has no number {name!r} to search; it has {', '.join(list_numbers(entry))}"
    )
