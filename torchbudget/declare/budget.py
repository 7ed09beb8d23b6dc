"""Declared limits, and the structure that a budget can require.

Counts that say "fewer than" are exclusive (`max_params`, `max_epochs`: the limit itself fails); the
other maxima are "at most". Every field declares its direction, by which the ratchet tells that a
budget asks for less than it did.
"""

from dataclasses import dataclass, field, fields
from decimal import ROUND_CEILING, Decimal
from enum import Enum, auto
from typing import Any

from torchbudget.declare.validation import (
    INFINITY,
    check,
    check_counts,
    check_kind,
    check_tuple,
    reject,
)


class Direction(Enum):
    """Which change of a declared value asks for less."""

    AT_MOST = auto()
    """A greater one (True after False) or none at all asks for less."""
    AT_LEAST = auto()
    """A smaller one or none at all asks for less."""
    ALL_OF = auto()
    """Requirements: one that no other implies was dropped or weakened."""
    PARTS = auto()
    """A declaration whose own fields have directions."""


def declare(default: Any, direction: Direction) -> Any:
    """A field of a dataclass with its default and its direction."""
    return field(default=default, metadata={"direction": direction})


def list_directions(kind: type) -> dict[str, Direction]:
    """The direction of each field of a declaration that has one."""
    return {
        part.name: part.metadata["direction"]
        for part in fields(kind)
        if "direction" in part.metadata
    }


@dataclass(frozen=True, kw_only=True)
class BatchNorm:
    """Each convolution on the path is normalised, by batch statistics in train.

    `except_last` exempts the last convolution.
    """

    except_last: bool = declare(False, Direction.AT_MOST)

    def __post_init__(self) -> None:
        check_kind(self, bool, "except_last")


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """At least `least` dropouts with 0 < p < 1 act on the path in train; none acts in eval."""

    least: int = declare(1, Direction.AT_LEAST)

    def __post_init__(self) -> None:
        check_counts(self, "least")


@dataclass(frozen=True, kw_only=True)
class GlobalAveragePooling:
    """The path averages over the whole map before the logits.

    Whatever the form, no map is flattened into a dense layer.
    """


@dataclass(frozen=True, kw_only=True)
class NoDenseOnMap:
    """No dense layer takes a map of more than one pixel, flattened or otherwise."""


Requirement = BatchNorm | Dropout | GlobalAveragePooling | NoDenseOnMap


@dataclass(frozen=True, kw_only=True)
class Slack:
    """How much worse than the baseline a change may make an entry before the ratchet fails it.

    Misses may be given as a count, or as `misses_sd`: so many standard deviations of the misses of
    the entry's seeds at the baseline, rounded down. That needs a budget of two seeds or more.
    """

    params: int = declare(0, Direction.AT_MOST)
    multiply_adds: int = declare(0, Direction.AT_MOST)
    misses: int = declare(0, Direction.AT_MOST)
    misses_sd: float = declare(0.0, Direction.AT_MOST)

    def __post_init__(self) -> None:
        check_counts(self, "params", "multiply_adds", "misses", least=0)
        check(self, misses_sd=(0, INFINITY))
        if self.misses and self.misses_sd:
            reject(self, "misses and misses_sd are two slacks of misses; give one of them")


COUNTS = ("max_params", "max_epochs")
LIMITS = (
    "max_misses",
    "max_multiply_adds",
    "max_activation_bytes",
    "max_weight_bytes",
    "min_receptive_field",
)
ACCURACY = ("max_misses", "min_accuracy", "min_accuracy_bound")
"""The rules of accuracy, of which a budget takes at most one."""


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Declared limits; each is optional, and at least one is given. None is no limit.

    Parameters and epochs stay *below* theirs. Accuracy is judged by at most one of three rules:
    every one of `seeds` seeds misses at most `max_misses` test images; or it gets at least the
    share `min_accuracy` right (0.994 of 10,000 is at most 60 misses, compared as integers); or the
    one-sided 95 % lower bound of the mean accuracy over the seeds (Student's t, so at least two) is
    at least `min_accuracy_bound`.
    """

    max_params: int | None = declare(None, Direction.AT_MOST)
    max_epochs: int | None = declare(None, Direction.AT_MOST)
    max_misses: int | None = declare(None, Direction.AT_MOST)
    min_accuracy: float | None = declare(None, Direction.AT_LEAST)
    min_accuracy_bound: float | None = declare(None, Direction.AT_LEAST)
    seeds: int = declare(1, Direction.AT_LEAST)
    requires: tuple[Requirement, ...] = declare((), Direction.ALL_OF)
    max_multiply_adds: int | None = declare(None, Direction.AT_MOST)
    max_activation_bytes: int | None = declare(None, Direction.AT_MOST)
    max_weight_bytes: int | None = declare(None, Direction.AT_MOST)
    min_receptive_field: int | None = declare(None, Direction.AT_LEAST)
    slack: Slack = field(default=Slack(), metadata={"direction": Direction.PARTS})

    def __post_init__(self) -> None:
        check_counts(self, "seeds")
        for name in (*COUNTS, *LIMITS):
            if getattr(self, name) is not None:
                check_counts(self, name, least=1 if name in COUNTS else 0)
        for name in ("min_accuracy", "min_accuracy_bound"):
            if getattr(self, name) is not None:
                check_share(self, name)
        rules = [name for name in ACCURACY if getattr(self, name) is not None]
        if len(rules) > 1:
            reject(self, f"{' and '.join(rules)} are two rules of accuracy; give one of them")
        if self.min_accuracy_bound is not None and self.seeds < 2:
            reject(self, "min_accuracy_bound needs seeds of at least 2: one run has no spread")
        check_tuple(self, "requires", of=Requirement.__args__)
        check_kind(self, Slack, "slack")
        if self.slack.misses_sd and self.seeds < 2:
            reject(self, "slack.misses_sd needs seeds of at least 2: one run has no spread")
        for requirement in self.requires:
            check_requirement(self, requirement)
        limits = [name for name in (*COUNTS, *LIMITS, *ACCURACY) if getattr(self, name) is not None]
        if not limits and not self.requires:
            reject(self, "at least one limit must be given, such as max_params or min_accuracy")

    def allowed_misses(self, total: int) -> int | None:
        """The most misses of `total` test images that a seed may have; None without such a rule."""
        if self.min_accuracy is not None:
            return count_allowed_misses(self.min_accuracy, total)
        return self.max_misses


def count_allowed_misses(share: float, total: int) -> int:
    """The most misses of `total` images with which at least `share` of them is right."""
    right = Decimal(repr(float(share))) * total
    return total - int(right.to_integral_value(ROUND_CEILING))


def check_share(budget: Budget, name: str) -> None:
    """Reject a share outside 0 to 1; say so where per cent were meant."""
    value = getattr(budget, name)
    if isinstance(value, (int, float)) and not isinstance(value, bool) and 1 < value <= 100:
        reject(budget, f"{name} is a share from 0 to 1: {value:g} per cent is {value / 100:g}")
    check(budget, **{name: (0, 1)})


def check_requirement(budget: Budget, requirement: object) -> None:
    """Reject what is no requirement."""
    kinds = Requirement.__args__
    if isinstance(requirement, Requirement):
        return
    names = ", ".join(f"{kind.__name__}()" for kind in kinds)
    reject(budget, f"requires holds {requirement!r}, which is none of {names}")
