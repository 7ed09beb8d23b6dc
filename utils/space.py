"""The recipes around a declared one: which of its numbers move in a search, and how far.

A range is derived from the name and the declared value of a field, and shrunk to what the
declaration accepts. A field without a rule here, or declared as 0 or None, stays as it is unless
`--search` gives it a range.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial

from torchbudget.declare.entry import Entry
from torchbudget.errors import UsageError

RANGE = re.compile(r"(?P<field>[\w.]+)=(?P<low>[^:]+):(?P<high>[^:]+?)(?P<log>:log)?")
NETWORK = "network."
"""What the names of the network's arguments begin with."""


class SpaceError(UsageError, ValueError):
    """A range that cannot be searched; the message says which and why."""


@dataclass(frozen=True, kw_only=True)
class Range:
    """From `low` to `high`, both included.

    `log`: each order of magnitude is equally likely. `whole`: integers only.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


# --- ranges derived from a declared value -------------------------------------------------------


def within_factor(factor: float) -> Callable[[float], Range]:
    """From the declared value divided by `factor` to that times `factor`."""
    return lambda value: Range(low=value / factor, high=value * factor)


def within_log_factor(factor: float) -> Callable[[float], Range]:
    """The same, each order of magnitude equally likely."""
    return lambda value: Range(low=value / factor, high=value * factor, log=True)


def near_one(value: float) -> Range:
    """From four times as far from 1 to a quarter as far."""
    return Range(low=1 - 4 * (1 - value), high=1 - (1 - value) / 4)


def from_zero(value: float) -> Range:
    """From 0 to twice the declared value."""
    return Range(low=0, high=2 * value)


def smoothing(value: float) -> Range:
    """From 0 to twice the declared value, and at least to 0.2."""
    return Range(low=0, high=max(0.2, 2 * value))


RULES: dict[str, Callable[[float], Range]] = {
    "lr": within_log_factor(5),
    "max_lr": within_log_factor(5),
    "weight_decay": within_log_factor(10),
    "batch_size": within_log_factor(2),
    "momentum": near_one,
    "beta1": near_one,
    "decay": near_one,
    "pct_start": within_factor(2),
    "p": within_factor(2),
    "fraction": within_factor(2),
    "factor": within_factor(2),
    "padding": within_factor(2),
    "size": within_factor(2),
    "per_class": within_factor(2),
    "rotate": from_zero,
    "translate": from_zero,
    "scale": from_zero,
    "shear": from_zero,
    "brightness": from_zero,
    "contrast": from_zero,
    "label_smoothing": smoothing,
}
"""Name of a field: the range around its declared value."""


def derive_range(entry: Entry, name: str, value: float, whole: bool) -> Range:
    """The range of the number `name`, declared as `value`, within what the recipe accepts."""
    wished = RULES[name.split(".")[-1]](value)
    low = _shrink_end(entry, name, value, wished.low, whole)
    high = _shrink_end(entry, name, value, wished.high, whole)
    return replace(wished, low=low, high=high, whole=whole)


def _shrink_end(entry: Entry, name: str, value: float, end: float, whole: bool) -> float:
    """`end`, or the first point half-way to `value`, and half-way again, that is accepted."""
    for _ in range(50):
        rounded = _round(end, whole)
        if _accepts(entry, name, rounded):
            return rounded
        half = (end - value) / 2
        end = value + (math.trunc(half) if whole else half)
    return value


def _accepts(entry: Entry, name: str, value: float) -> bool:
    try:
        with_numbers(entry.recipe, {name: value})
    except ValueError:
        return False
    return True


def _round(value: float, whole: bool) -> float:
    """An integer, or five significant digits."""
    return round(value) if whole else float(f"{value:.5g}")


# --- the space ----------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Space:
    """`entry` as declared, and the `ranges` of the numbers that move.

    The names are dotted: "schedule.max_lr", "augment.0.rotate", "network.width".
    """

    entry: Entry
    ranges: dict[str, Range]

    @property
    def declared(self) -> dict[str, float]:
        """The declared value of each number that moves."""
        numbers = list_numbers(self.entry)
        return {name: numbers[name][0] for name in self.ranges}

    @property
    def holds_declared(self) -> bool:
        """Whether every declared value is in its range."""
        return all(
            self.ranges[name].low <= value <= self.ranges[name].high
            for name, value in self.declared.items()
        )

    def apply(self, values: dict[str, float]) -> Entry:
        """The entry with `values`, rounded to five digits where they are not the declared ones.

        Raises `ValueError` if the declarations reject them together.
        """
        return with_changes(self.entry, self.find_changes(values))

    def find_changes(self, values: dict[str, float]) -> dict[str, float]:
        """Those of `values` that are not the declared ones, as `apply` rounds them."""
        return {
            name: _round(value, self.ranges[name].whole)
            for name, value in values.items()
            if value != self.declared[name]
        }


def with_changes(entry: Entry, changes: Mapping[str, float]) -> Entry:
    """The entry with these numbers of its recipe and arguments of its network, by dotted names.

    Raises `ValueError` if the declarations reject them together.
    """
    arguments = {
        name.removeprefix(NETWORK): value
        for name, value in changes.items()
        if name.startswith(NETWORK)
    }
    numbers = {name: value for name, value in changes.items() if not name.startswith(NETWORK)}
    network = partial(entry.network, **arguments) if arguments else entry.network
    recipe = with_numbers(entry.recipe, numbers) if numbers else entry.recipe
    return replace(entry, recipe=recipe, network=network)


def make_space(entry: Entry, searched: Iterable[str] = (), fixed: Iterable[str] = ()) -> Space:
    """The space around `entry`: the derived ranges, less `fixed`, and those of `searched`.

    `searched` are texts "FIELD=LOW:HIGH[:log]"; `fixed` are names, each with all that is beneath
    it. Raises `SpaceError`.
    """
    numbers = list_numbers(entry)
    ranges: dict[str, Range] = {}
    for name, (value, whole) in numbers.items():
        if name.split(".")[-1] in RULES and not name.startswith(NETWORK):
            derived = derive_range(entry, name, value, whole)
            if derived.low < derived.high:
                ranges[name] = derived
    for prefix in fixed:
        beneath = [name for name in numbers if f"{name}.".startswith(f"{prefix}.")]
        if not beneath:
            raise _unknown(prefix, entry)
        for name in beneath:
            ranges.pop(name, None)
    for text in searched:
        name, parsed = parse_range(text, entry)
        ranges[name] = parsed
    if not ranges:
        raise SpaceError(
            f"nothing of {entry.name} is left to search; "
            "--fix less, or name a range: --search FIELD=LOW:HIGH"
        )
    return Space(entry=entry, ranges=ranges)


def parse_range(text: str, entry: Entry) -> tuple[str, Range]:
    """Name and range of "FIELD=LOW:HIGH[:log]". Raises `SpaceError`."""
    match = RANGE.fullmatch(text)
    if not match:
        raise SpaceError(f"--search {text}: the form is FIELD=LOW:HIGH or FIELD=LOW:HIGH:log")
    numbers = list_numbers(entry)
    name = match["field"].replace("-", "_")
    if name not in numbers:
        raise _unknown(name, entry)
    whole = numbers[name][1]
    log = bool(match["log"])
    convert = int if whole else float
    try:
        low, high = convert(match["low"]), convert(match["high"])
    except ValueError as error:
        kind = "whole numbers" if whole else "numbers"
        raise SpaceError(f"--search {text}: {name} takes {kind}") from error
    if not -math.inf < low < high < math.inf or (log and low <= 0):
        condition = ", and above 0 for log" if log else ""
        raise SpaceError(f"--search {text}: LOW must be below HIGH{condition}")
    if not name.startswith(NETWORK):
        for end in (low, high):
            with_numbers(entry.recipe, {name: end})  # raises ValueError for what it rejects
    return name, Range(low=low, high=high, log=log, whole=whole)


def _unknown(name: str, entry: Entry) -> SpaceError:
    names = ", ".join(list_numbers(entry))
    return SpaceError(f"{entry.name} has no number {name!r} to search; it has {names}")


# --- the numbers of an entry --------------------------------------------------------------------


def list_numbers(entry: Entry) -> dict[str, tuple[float, bool]]:
    """Name of each number of the recipe and of the network: its value, and whether it is whole."""
    numbers = dict(_list_numbers(entry.recipe))
    for name, parameter in inspect.signature(entry.network).parameters.items():
        default = parameter.default
        if _is_number(default):
            numbers[NETWORK + name] = default, isinstance(default, int)
    for name in ("epochs", "val_images"):
        numbers.pop(name, None)
    return numbers


def _list_numbers(declared: object, prefix: str = "") -> Iterator[tuple[str, tuple[float, bool]]]:
    for field in fields(declared):
        value = getattr(declared, field.name)
        name = prefix + field.name
        if isinstance(value, Entry):
            continue  # a teacher, which is searched as itself
        if is_dataclass(value):
            yield from _list_numbers(value, f"{name}.")
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if is_dataclass(item):
                    yield from _list_numbers(item, f"{name}.{index}.")
        elif _is_number(value):
            yield name, (value, field.type is int)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def with_numbers(declared: object, changes: dict[str, float]) -> object:
    """The declaration with the numbers at the dotted names of `changes`.

    It is checked once, when all of them are in place.
    """
    if "" in changes:
        return changes[""]
    parts: dict[str, dict[str, float]] = {}
    for name, number in changes.items():
        head, _, rest = name.partition(".")
        parts.setdefault(head, {})[rest] = number
    if isinstance(declared, tuple):
        return tuple(
            with_numbers(item, parts[str(index)]) if str(index) in parts else item
            for index, item in enumerate(declared)
        )
    changed = {head: with_numbers(getattr(declared, head), rest) for head, rest in parts.items()}
    return replace(declared, **changed)
