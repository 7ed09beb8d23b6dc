"""The reference pages: what each gate judges, and the public names of `torchbudget`."""

import importlib
from types import ModuleType

import torchbudget
from torchbudget import data
from torchbudget.engine import explain
from torchbudget.gates import GATES
from utils.pages.rendering import render


def write_gates() -> str:
    """The page of gates, as `--explain` tells of each."""
    return render("gates.md", gates={name: explain(name) for name in GATES})


def write_api() -> str:
    """The page of public names, each where it is defined, for mkdocstrings to fill in."""
    modules = [name for name in torchbudget.__all__ if is_module(torchbudget, name)]
    names = list_objects(torchbudget)
    listed = set(names)
    members = {}
    for name in modules:
        found = list_objects(importlib.import_module(f"torchbudget.{name}"))
        members[name] = [member for member in found if member not in listed]
    data_sets = [name for name in data.__all__ if isinstance(getattr(data, name), data.DataSpec)]
    return render("api.md", names=names, modules=members, data_sets=data_sets)


def is_module(module: ModuleType, name: str) -> bool:
    return isinstance(getattr(module, name), ModuleType)


def list_objects(module: ModuleType) -> list[tuple[str, str]]:
    """The module's public functions and classes, each with where it is defined."""
    values = [(name, getattr(module, name)) for name in module.__all__]
    return [(name, f"{value.__module__}.{name}") for name, value in values if callable(value)]
