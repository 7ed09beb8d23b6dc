"""Checks that a declaration makes of its own values: each rejects with a `ValueError` that names field, value and reason."""

import math

INFINITY = math.inf


def reject(owner: object, message: str) -> None:
    raise ValueError(f"{type(owner).__name__}: {message}")


def check(owner: object, **bounds: tuple[float, float]) -> None:
    """Reject each named field outside its closed interval, or not a finite number."""
    for name, (low, high) in bounds.items():
        value = getattr(owner, name)
        if (
            isinstance(value, bool)
            or not isinstance(value, (int, float))
            or not math.isfinite(value)
        ):
            reject(owner, f"{name} must be a finite number, not {value!r}")
        if not low <= value <= high:
            reject(owner, f"{name} must be from {low:g} to {high:g}, not {value!r}")


def check_kind(owner: object, kind: type, *names: str) -> None:
    """Reject each named field that is no `kind`."""
    for name in names:
        if not isinstance(value := getattr(owner, name), kind):
            reject(owner, f"{name} must be a {kind.__name__}, not {value!r}")


def check_counts(owner: object, *names: str, least: int = 1) -> None:
    """Reject each named field that is not an integer of at least `least`."""
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            reject(owner, f"{name} must be an integer of at least {least}, not {value!r}")
