"""Declarations as text: what to paste into a zoo file, and the options that train.py takes."""

import json
import shlex
from dataclasses import fields, is_dataclass

from torchbudget.declare.entry import Entry, changed_fields, describe
from utils.recipe import Recipe

WIDTH = 100


def literal(value: object, indent: int = 0) -> str:
    """Python that evaluates to `value`, formatted as zoo.py is.

    Fields at their default are left out. An entry is its name in capitals. A line that would be
    longer than `WIDTH`, where it begins at column `indent`, is broken.
    """
    if isinstance(value, Entry):
        return value.name.upper()
    if is_dataclass(value) and not isinstance(value, type):
        opening, closing = f"{type(value).__name__}(", ")"
        shown = [field for field in fields(value) if getattr(value, field.name) != field.default]
        parts = [(f"{field.name}=", getattr(value, field.name)) for field in shown]
    elif isinstance(value, tuple):
        opening, closing = "(", ")"
        parts = [("", item) for item in value]
    else:
        return json.dumps(value) if isinstance(value, str) else repr(value)
    inside = ", ".join(name + literal(item) for name, item in parts)
    if isinstance(value, tuple) and len(value) == 1:
        inside += ","
    line = opening + inside + closing
    if len(line) + indent <= WIDTH or not parts:
        return line
    margin = " " * (indent + 4)
    lines = [f"{margin}{name}{literal(item, indent + 4)},\n" for name, item in parts]
    return opening + "\n" + "".join(lines) + " " * indent + closing


def override_words(declared: Recipe, recipe: Recipe) -> list[str]:
    """The options by which train.py turns `declared` into `recipe`, quoted for a shell."""
    words = []
    for name, _, now in changed_fields(describe(declared), describe(recipe)):
        text = json.dumps(_as_class(now)) if isinstance(now, dict | list) else str(now)
        words.append(f"--recipe.{name} {shlex.quote(text)}")
    return words


def _as_class(described: object) -> object:
    """A described declaration in the form that jsonargparse reads."""
    if isinstance(described, list):
        return [_as_class(item) for item in described]
    if isinstance(described, dict):
        arguments = {name: item for name, item in described.items() if name != "kind"}
        return {"class_path": described["kind"], "init_args": arguments}
    return described
