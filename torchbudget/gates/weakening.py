"""What a budget asks less of than it did: field by field, by the direction that each declares."""

from collections.abc import Iterator
from typing import Any

from torchbudget.declare.budget import (
    ACCURACY,
    Budget,
    Direction,
    Requirement,
    Slack,
    count_allowed_misses,
    list_directions,
)

DIRECTIONS = {
    kind.__name__: list_directions(kind) for kind in (Budget, Slack, *Requirement.__args__)
}
"""The direction of each field, by the kind of its declaration."""


def find_weakenings(
    was: dict[str, Any], now: dict[str, Any], total: int | None = None
) -> list[tuple[str, str]]:
    """(field, change as people read it) of each field that asks for less now than it did.

    `was` and `now` are described budgets. `total` test images, where known, make two rules of
    accuracy comparable.
    """
    changes = []
    for name, then in was.items():
        if name in ACCURACY and _is_exchanged(name, was, now):
            changes += [(name, change) for change in _compare_rules(name, was, now, total)]
        else:
            changes += [(name, change) for change in _compare(name, "Budget", then, now.get(name))]
    return changes


def _compare(name: str, kind: str, was: Any, now: Any) -> Iterator[str]:
    """How the field `name` of a declaration of `kind` asks for less."""
    direction = DIRECTIONS.get(kind, {}).get(name)
    if direction is Direction.ALL_OF:
        yield from (f"{name} {change}" for change in find_weaker_requirements(was, now))
    elif direction is Direction.PARTS:
        for part, then in was.items():
            for change in _compare(part, was["kind"], then, now.get(part)):
                yield f"{name}.{change}"
    elif is_weaker(direction, was, now):
        yield f"{name} {show(was)} -> {show(now)}"


def is_weaker(direction: Direction | None, was: Any, now: Any) -> bool:
    """True if `now` asks for less than `was`; without a direction, any change does."""
    if was == now:
        return False
    if direction is None:
        return True
    if None in (was, now):
        return now is None
    return bool(now > was if direction is Direction.AT_MOST else now < was)


# --- rules of accuracy ----------------------------------------------------------------------------


def _is_exchanged(name: str, was: dict[str, Any], now: dict[str, Any]) -> bool:
    """Whether the rule of accuracy `name` has made room for another rule."""
    others = [now.get(rule) for rule in ACCURACY if rule != name]
    return was[name] is not None and now.get(name) is None and others != [None] * len(others)


def _compare_rules(
    name: str, was: dict[str, Any], now: dict[str, Any], total: int | None
) -> Iterator[str]:
    """How the rule that took the place of `name` asks for less.

    Two that allow misses to each seed are compared by how many of `total` images these are. A bound
    of the mean and a limit of each seed cannot be compared, so any exchange of them is a weakening.
    """
    then = _allowed_misses(was, total)
    allowed = _allowed_misses(now, total)
    if then is None or allowed is None:
        yield f"{name} {show(was[name])} -> {show(now.get(name))}"
    elif allowed > then:
        rule = next(rule for rule in ACCURACY if now.get(rule) is not None)
        exchange = f"{name} {show(was[name])} -> {rule} {show(now[rule])}"
        yield f"{exchange} ({allowed:,} misses, were {then:,})"


def _allowed_misses(budget: dict[str, Any], total: int | None) -> int | None:
    """The misses that a described budget allows each seed; None where that is not known."""
    if budget.get("min_accuracy") is not None:
        return None if total is None else count_allowed_misses(budget["min_accuracy"], total)
    misses: int | None = budget.get("max_misses")
    return None if total is None else misses


# --- requirements ---------------------------------------------------------------------------------


def find_weaker_requirements(was: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[str]:
    """Each requirement that none of `now` implies, with those of its kind that took its place."""
    changes = []
    for old in was:
        same = [new for new in now if new["kind"] == old["kind"]]
        if not any(implies(new, old) for new in same):
            changes.append(f"{show(old)} -> {' and '.join(map(show, same)) or 'none'}")
    return changes


def implies(new: dict[str, Any], old: dict[str, Any]) -> bool:
    """Whether a requirement asks for no less than another of its kind."""
    directions = DIRECTIONS.get(old["kind"], {})
    return not any(
        is_weaker(directions.get(name), value, new.get(name)) for name, value in old.items()
    )


def show(value: Any) -> str:
    """A described value as it is written in a zoo file."""
    if isinstance(value, dict) and "kind" in value:
        parts = ", ".join(f"{name}={part}" for name, part in value.items() if name != "kind")
        return f"{value['kind']}({parts})"
    return str(value)
