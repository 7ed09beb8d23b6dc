"""Checks that a declaration makes of its own values.

Each rejects with a `DeclarationError` that names the class, the field, the value and the reason.
"""

import math
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
        if not isinstance(value, kind):
            reject(owner, f"{name} must be a {kind.__name__}, not {value!r}")


def check_counts(owner: object, *names: str, least: int = 1) -> None:
    """Reject each named field that is no integer of at least `least`."""
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            reject(owner, f"{name} must be an integer of at least {least}, not {value!r}")
