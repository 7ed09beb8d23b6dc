"""Checks that a declaration makes of its own values.

Each rejects with a `DeclarationError` that names the class, the field, the value and the reason.
"""

import math
from collections.abc import Iterable, Set
from typing import NoReturn

from torchbudget.errors import DeclarationError

INFINITY = math.inf


def reject(owner: object, message: str) -> NoReturn:
    raise DeclarationError(f"{type(owner).__name__}: {message}")


def check(owner: object, **bounds: tuple[float, float]) -> None:
    """Reject each named field that is no finite number or is outside its closed interval."""
    for name, (low, high) in bounds.items():
        value = getattr(owner, name)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value):
            reject(owner, f"{name} must be a finite number, not {value!r}")
        if not low <= value <= high:
            reject(owner, f"{name} must be from {low:g} to {high:g}, not {value!r}")


def check_kind(owner: object, kind: type, *names: str) -> None:
    """Reject each named field that is no instance of `kind`."""
    for name in names:
        value = getattr(owner, name)
        if value is kind:
            call = f"write {name}={kind.__name__}()"
            reject(owner, f"{name} must be a {kind.__name__}, not the class {value!r}; {call}")
        if not isinstance(value, kind):
            reject(owner, f"{name} must be a {kind.__name__}, not {value!r}")


def check_tuple(owner: object, name: str, *, of: tuple[type, ...]) -> None:
    """Reject a field that is no tuple, or that holds a class of `of` where an instance is meant."""
    value = getattr(owner, name)
    if not isinstance(value, tuple):
        mistake = describe_no_tuple(name, value, of)
        reject(owner, f"{name} must be a tuple, not {value!r}{mistake}")
    mistake = describe_class(name, value, of)
    if mistake:
        reject(owner, mistake)


def describe_no_tuple(name: str, value: object, of: tuple[type, ...]) -> str:
    """What `value` is in the place of a tuple of `of`, and what to write; begins with a comma."""
    if isinstance(value, str):
        return f", which is a string; write {name}=({of[0].__name__}(...),)"
    if isinstance(value, list):
        return f", which is a list; write {name}=(...,) with round brackets"
    if isinstance(value, Set):
        return f", which is a set and has no order; write {name}=(...,) with round brackets"
    if isinstance(value, of):
        kind = type(value).__name__
        return f": a comma is missing; write {name}=({kind}(...),)"
    if any(value is kind for kind in of):
        kind = getattr(value, "__name__", "")
        return f": a class and a comma is missing; write {name}=({kind}(...),)"
    return ""


def describe_class(name: str, values: Iterable[object], of: tuple[type, ...]) -> str:
    """The first of `values` that is a class of `of`, and what to write; "" where none is."""
    for value in values:
        if any(value is kind for kind in of):
            kind = getattr(value, "__name__", "")
            return f"{name} holds the class {kind}; write {kind}()"
    return ""


def check_counts(owner: object, *names: str, least: int = 1) -> None:
    """Reject each named field that is no integer of at least `least`."""
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            reject(owner, f"{name} must be an integer of at least {least}, not {value!r}")
