"""Zoo files: Python files that define `ZOO`, a tuple of entries."""

import ast
import difflib
import functools
import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.errors import ZooError
from torchbudget.reading import follow_links
from torchbudget.report.text import first_line

JUDGE = __name__.split(".")[0]
"""Our own package, which a zoo's folder never replaces."""


def load_zoo(path: Path | str, served: tuple[str, ...] = ()) -> dict[str, Entry]:
    """The entries that the zoo file at `path` declares in `ZOO`, by name, in its order.

    The file may import its neighbours (`from model import Net`): while it is imported, its folder
    comes first on the import path, but for the modules `served`, which are imported already.
    Raises `ZooError` where it is missing, fails on import, or declares nothing usable.
    """
    path = follow_links(Path(path))
    if not path.is_file():
        raise ZooError(f"{path} is not a file; --zoo names a Python file that defines ZOO")
    zoo = _import_zoo(path, served)
    entries = (zoo,) if isinstance(zoo, Entry) else zoo
    if not isinstance(entries, (tuple, list)) or not entries:
        raise ZooError(f"{path} must define ZOO, a tuple of at least one Entry")
    if not all(isinstance(entry, Entry) for entry in entries):
        raise ZooError(f"{path} must define ZOO, a tuple of at least one Entry")
    names = [entry.name for entry in entries]
    for name in names:
        if names.count(name) > 1:
            raise ZooError(f"{path} declares {name} {names.count(name)} times; names are unique")
    for entry in entries:
        for member, _ in entry.member_runs if isinstance(entry, Ensemble) else ():
            if member not in entries:
                raise ZooError(
                    f"{path}: {member.name}, a member of {entry.name}, is not in ZOO; "
                    "members are entries that are judged themselves"
                )
    return {entry.name: entry for entry in entries}


def _import_zoo(path: Path, served: tuple[str, ...]) -> object:
    """What the file calls `ZOO`; None where it does not."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ZooError(f"{path} is no Python file; --zoo names one that defines ZOO")
    module = importlib.util.module_from_spec(spec)
    with _importing_from(path.parent, served):
        sys.modules[path.stem] = module
        try:
            spec.loader.exec_module(module)
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # a zoo file can raise whatever it likes
            reason = f"{type(error).__name__}: {first_line(error)}"
            raise ZooError(f"{path} cannot be imported: {reason}") from error
    return getattr(module, "ZOO", None)


@contextmanager
def _importing_from(folder: Path, served: tuple[str, ...]) -> Iterator[None]:
    """Import from `folder` first; afterwards the import path and what was imported are as before.

    Modules of the same name from elsewhere, such as another zoo's `model`, step aside meanwhile.
    The folder's own stay importable where nothing else had their name.
    """
    neighbours = {path.stem for path in folder.iterdir() if _is_module(path)}
    neighbours -= {JUDGE, *served}
    aside = {
        name: module
        for name, module in sys.modules.items()
        if name.split(".")[0] in neighbours and not _is_below(module, folder)
    }
    for name in aside:
        del sys.modules[name]
    path = list(sys.path)
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name.split(".")[0] in _tops(aside)]:
            del sys.modules[name]
        sys.modules.update(aside)


def _is_module(path: Path) -> bool:
    """Whether a file or folder is a module that would be imported before one from elsewhere."""
    return path.suffix == ".py" or (path / "__init__.py").is_file()


def _tops(modules: Mapping[str, object]) -> set[str]:
    return {name.split(".")[0] for name in modules}


def _is_below(module: object, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return bool(file) and Path(str(file)).resolve().is_relative_to(folder)


def select_entries(zoo: dict[str, Entry], names: list[str]) -> list[Entry]:
    """The named entries, or all where none is named; `ZooError` for an unknown one."""
    for name in names:
        if name not in zoo:
            close = difflib.get_close_matches(name, zoo, n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise ZooError(f"no entry {name!r}{hint}; the zoo has {', '.join(zoo)}")
    return [zoo[name] for name in names] if names else list(zoo.values())


# --- where a declaration stands -------------------------------------------------------------------


def locate(path: Path, entry: str, field: str = "") -> str:
    """Where the zoo file declares `entry`, or the keyword `field` inside it, as "zoo.py:31".

    "" where it is not written literally.
    """
    try:
        calls = _entry_calls(path, path.stat().st_mtime_ns)
    except Exception:  # Python has imported the file; what cannot be parsed here has no place
        return ""
    if entry not in calls:
        return ""
    lines = calls[entry]
    return f"{path.name}:{lines.get(field, lines[''])}"


@functools.lru_cache(maxsize=16)
def _entry_calls(path: Path, modified: int) -> dict[str, dict[str, int]]:
    """By entry: the line of each keyword inside its declaration; "" is the declaration itself.

    The file's bytes are parsed, so that its own encoding holds, as when Python imports it.
    """
    tree = ast.parse(path.read_bytes())
    calls: dict[str, dict[str, int]] = {}
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        name = getattr(call.func, "id", getattr(call.func, "attr", ""))
        if name not in ("Entry", "Ensemble"):
            continue
        lines = {"": call.lineno}
        for keyword in (node for node in ast.walk(call) if isinstance(node, ast.keyword)):
            lines.setdefault(keyword.arg or "", keyword.value.lineno)
        for keyword in call.keywords:
            value = getattr(keyword.value, "value", None)
            if keyword.arg == "name" and isinstance(value, str):
                calls.setdefault(value, lines)
    return calls
