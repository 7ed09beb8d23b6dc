"""Which zoo file a project means: `[tool.torchbudget] zoo = "zoo.py"` in its `pyproject.toml`."""

import tomllib
from pathlib import Path

from torchbudget.errors import UsageError

DEFAULT_ZOO = "zoo.py"


def find_zoo(folder: Path) -> Path:
    """The zoo file of the project in `folder`: the configured one, else its `zoo.py`.

    Raises `UsageError` where there is neither.
    """
    configured = find_configured_zoo(folder)
    if configured is not None:
        return configured
    default = folder / DEFAULT_ZOO
    if not default.is_file():
        raise UsageError(
            f"{folder} has no {DEFAULT_ZOO}, and no pyproject.toml there or above names one: "
            'give --zoo FILE, or write zoo = "FILE" under [tool.torchbudget]'
        )
    return default


def find_configured_zoo(folder: Path) -> Path | None:
    """The zoo file that the nearest `pyproject.toml` with a `[tool.torchbudget]` names.

    It is looked for in `folder`, then upwards; the file that it names is relative to it. None where
    there is none. Raises `UsageError` for a `pyproject.toml` that cannot be read, and for a zoo
    that is not a file.
    """
    folder = folder.resolve()
    for parent in (folder, *folder.parents):
        path = parent / "pyproject.toml"
        if path.is_file():
            table = _read_table(path)
            if table is not None:
                return _zoo_of(table, path)
    return None


def _read_table(path: Path) -> object:
    """What stands under `[tool.torchbudget]`; None where there is no such table."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    tool = document.get("tool")
    return tool.get("torchbudget") if isinstance(tool, dict) else None


def _zoo_of(table: object, path: Path) -> Path:
    if not isinstance(table, dict) or set(table) != {"zoo"} or not isinstance(table["zoo"], str):
        raise UsageError(f'{path}: [tool.torchbudget] holds one line, such as zoo = "zoo.py"')
    zoo = path.parent / table["zoo"]
    if not zoo.is_file():
        raise UsageError(f"{path}: zoo = {table['zoo']!r} names no file in {path.parent}")
    return zoo
