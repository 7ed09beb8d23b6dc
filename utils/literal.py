"""Declarations as text: what to paste into a zoo file, and what to say to train.py."""

import json
import shlex
from dataclasses import fields, is_dataclass

from torchbudget.declare.entry import changed_fields, describe
from utils.recipe import Recipe

WIDTH = 100


def literal(value: object, indent: int = 0) -> str:
    """Python that evaluates to `value`, fields at their defaults left out, broken over lines where it is long, as zoo.py is formatted."""
    if is_dataclass(value):
        shown = [field for field in fields(value) if getattr(value, field.name) != field.default]
        opening, closing = f"{type(value).__name__}(", ")"
        parts = [(f"{field.name}=", getattr(value, field.name)) for field in shown]
    elif isinstance(value, tuple):
        opening, closing, parts = "(", ")", [("", item) for item in value]
    else:
        return json.dumps(value) if isinstance(value, str) else repr(value)
    line = (
        opening
        + ", ".join(name + literal(item) for name, item in parts)
        + (",)" if isinstance(value, tuple) and len(value) == 1 else closing)
    )
    if len(line) + indent <= WIDTH or not parts:
        return line
    inner = " " * (indent + 4)
    return (
        opening
        + "\n"
        + "".join(f"{inner}{name}{literal(item, indent + 4)},\n" for name, item in parts)
        + " " * indent
        + closing
    )


def override_words(declared: Recipe, recipe: Recipe) -> list[str]:
    """The options by which train.py makes `recipe` of `declared`, quoted for a shell."""
    words = []
    for name, _, now in changed_fields(describe(declared), describe(recipe)):
        words.append(
            f"--recipe.{name} {shlex.quote(json.dumps(_as_class(now)) if isinstance(now, (dict, list)) else str(now))}"
        )
    return words


def _as_class(described: object) -> object:
    """A described declaration as jsonargparse reads one."""
    if isinstance(described, list):
        return [_as_class(item) for item in described]
    if isinstance(described, dict):
        return {
            "class_path": described["kind"],
            "init_args": {name: item for name, item in described.items() if name != "kind"},
        }
    return described
