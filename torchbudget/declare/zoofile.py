"""Zoo files: Python files that define `ZOO`, a tuple of entries."""

import ast
import functools
import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

from torchbudget.declare.budget import Budget, Requirement, Slack
from torchbudget.declare.entry import Ensemble, Entry, Member
from torchbudget.declare.teaching import find_teacher
from torchbudget.declare.validation import describe_class, describe_no_tuple
from torchbudget.declare.views import View
from torchbudget.errors import ZooError
from torchbudget.reading import follow_links
from torchbudget.report.text import first_line
from torchbudget.suggestion import suggest

JUDGE = __name__.split(".")[0]
"""Our own package, which a zoo's folder never replaces."""
UNEXPECTED = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'.*")
"""How Python words a keyword that a dataclass does not take."""
DECLARATIONS = {
    kind.__name__: tuple(part.name for part in fields(kind) if part.init)
    for kind in (Entry, Ensemble, Member, Budget, Slack, View, *Requirement.__args__)
}
"""The keywords of each declaration, by its name."""


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
    expected = f"{path} must define ZOO, a tuple of at least one Entry"
    if not isinstance(entries, (tuple, list)):
        raise ZooError(f"{expected}{_describe_mistake(entries)}")
    mistake = describe_class("ZOO", entries, (Entry, Ensemble))
    if mistake:
        raise ZooError(f"{expected}; {mistake}")
    if not entries or not all(isinstance(entry, Entry) for entry in entries):
        raise ZooError(expected)
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
        teacher = find_teacher(entry)
        if teacher and teacher.entry not in entries:
            raise ZooError(
                f"{path}: {teacher.entry.name}, the teacher of {entry.name}, is not in ZOO; "
                "teachers are entries that are judged themselves"
            )
    return {entry.name: entry for entry in entries}


def _describe_mistake(zoo: object) -> str:
    """What ZOO is in the place of a tuple; "" where nothing needs to be said."""
    if zoo is None:
        return ""
    mistake = describe_no_tuple("ZOO", zoo, (Entry, Ensemble)).replace("ZOO=", "ZOO = ")
    return f", not a {type(zoo).__name__}{mistake}"


FIRST_VERSION = Path("utils/entry.py")
"""Where the first version declared its entries; a module of that name in the zoo forwards to us."""


def load_first_version(zoo_file: Path, current: Path) -> dict[str, Entry]:
    """The entries of a zoo file of an earlier commit, be it of the first version.

    Those import `utils.entry`, which declared entries of its own then; now a module of that name
    beside today's zoo file, in the folder `current`, forwards to this package. Raises `ZooError`.
    """
    old = zoo_file.parent / FIRST_VERSION
    served = current / FIRST_VERSION
    if old.is_file() and served.is_file() and "torchbudget" not in old.read_text(encoding="utf-8"):
        sys.path.insert(0, str(current))
        __import__(".".join(FIRST_VERSION.with_suffix("").parts))
        sys.path.remove(str(current))
        return load_zoo(zoo_file, served=(FIRST_VERSION.parts[0],))
    return load_zoo(zoo_file)


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
            raise ZooError(f"{path} cannot be imported: {reason}{_suggest(error)}") from error
    return getattr(module, "ZOO", None)


def _suggest(error: BaseException) -> str:
    """What was meant by a name that a module or a declaration does not have."""
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        return suggest(error.name, dir(error.obj))
    unexpected = UNEXPECTED.fullmatch(str(error)) if isinstance(error, TypeError) else None
    if unexpected:
        kind, word = unexpected.groups()
        return suggest(word, DECLARATIONS.get(kind, ()))
    return ""


@contextmanager
def _importing_from(folder: Path, served: tuple[str, ...]) -> Iterator[None]:
    """Import from `folder` first; afterwards the import path and what was imported are as before.

    Modules of the same name from elsewhere, such as another zoo's `model`, step aside meanwhile.
    The folder's own stay importable where nothing else had their name. No byte code is written
    beside them.
    """
    neighbours = {path.stem for path in folder.iterdir() if _is_module(path)}
    neighbours -= {JUDGE, *served}
    aside = {
        name: module
        for name, module in sys.modules.items()
        if _top(name) in neighbours and not _is_below(module, folder)
    }
    tops = {_top(name) for name in aside}
    for name in aside:
        del sys.modules[name]
    path, dont_write_bytecode = list(sys.path), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, dont_write_bytecode
        for name in [name for name in sys.modules if _top(name) in tops]:
            del sys.modules[name]
        sys.modules.update(aside)


def _is_module(path: Path) -> bool:
    """Whether a file or folder is a module that would be imported before one from elsewhere."""
    return path.suffix == ".py" or (path / "__init__.py").is_file()


def _top(module: str) -> str:
    return module.partition(".")[0]


def _is_below(module: object, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return bool(file) and Path(str(file)).resolve().is_relative_to(folder)


def select_entries(zoo: dict[str, Entry], names: list[str]) -> list[Entry]:
    """The named entries, or all where none is named; `ZooError` for an unknown one."""
    for name in names:
        if name not in zoo:
            raise ZooError(f"no entry {name!r}{suggest(name, zoo)}; the zoo has {', '.join(zoo)}")
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
