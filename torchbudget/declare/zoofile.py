"""Zoo files: Python files that define `ZOO`, a tuple of entries."""

import ast
import importlib.util
import sys
from pathlib import Path

from torchbudget.declare.entry import Entry
from torchbudget.errors import ZooError


def load_zoo(path: Path) -> dict[str, Entry]:
    """The entries that the zoo file at `path` declares in `ZOO`, by name, in its order.

    The file may import its neighbours (`from model import Net`): its folder comes first on the import path.
    Raises `ZooError` where it is missing, fails on import, or declares nothing usable.
    """
    path = path.resolve()
    if not path.is_file():
        raise ZooError(f"{path} is not a file; --zoo names a Python file that defines ZOO")
    sys.path[:] = [str(path.parent), *(place for place in sys.path if place != str(path.parent))]
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise ZooError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    entries = getattr(module, "ZOO", None)
    if (
        not isinstance(entries, tuple)
        or not entries
        or not all(isinstance(entry, Entry) for entry in entries)
    ):
        raise ZooError(f"{path} must define ZOO, a tuple of at least one Entry")
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise ZooError(f"{path} declares {name} {names.count(name)} times; names are unique")
    for entry in entries:
        for member, _ in entry.voters:
            if member not in entries:
                raise ZooError(
                    f"{path}: {member.name}, a member of {entry.name}, is not in ZOO; members are entries that are judged themselves"
                )
    return {entry.name: entry for entry in entries}


def select_entries(zoo: dict[str, Entry], names: list[str]) -> list[Entry]:
    """The named entries, or all where none is named; `ZooError` lists the zoo's names for an unknown one."""
    for name in names:
        if name not in zoo:
            raise ZooError(f"no entry {name!r}; the zoo has {', '.join(zoo)}")
    return [zoo[name] for name in names] if names else list(zoo.values())


def locate(path: Path, entry: str, field: str = "") -> str:
    """Where the zoo file declares `entry`, or the keyword `field` inside it, as "zoo.py:31"; "" where it is not written literally."""
    for call in ast.walk(ast.parse(path.read_text())):
        if not isinstance(call, ast.Call) or getattr(call.func, "id", "") not in (
            "Entry",
            "Ensemble",
        ):
            continue
        if any(
            word.arg == "name" and getattr(word.value, "value", None) == entry
            for word in call.keywords
        ):
            words = [
                word
                for word in ast.walk(call)
                if isinstance(word, ast.keyword) and word.arg == field
            ]
            return f"{path.name}:{words[0].value.lineno if words else call.lineno}"
    return ""
