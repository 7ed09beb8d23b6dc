"""What a project says of its zoo, under `[tool.torchbudget]` in its `pyproject.toml`.

[tool.torchbudget]
zoo = "zoo.py"                                        # relative to this file
train = "python train.py {entry} --seed {seed}"       # what renews a run, shown in remedies
repetitions = "results"                               # where it writes a run that is recorded
"""

import string
import tomllib
from dataclasses import dataclass
from pathlib import Path

from torchbudget.errors import UsageError
from torchbudget.reading import follow_links, reading

DEFAULT_ZOO = "zoo.py"
KEYS = ("zoo", "train", "repetitions")
FIELDS = frozenset({"entry", "seed"})
"""What the command that renews a run may name in braces."""


@dataclass(frozen=True)
class Project:
    """What is not said is None.

    `zoo` is the zoo file, `train` the command that renews a run, in `folder`; it writes a run that
    is already recorded to `results.json` and `weights/` in `repetitions`.
    """

    zoo: Path | None = None
    train: str | None = None
    repetitions: Path | None = None
    folder: Path | None = None


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
    """The zoo file that the project of `folder` configures; None where it does not."""
    return read_project(folder).zoo


def find_train_command(zoo: Path) -> str | None:
    """The command that renews a run of the zoo file, where its project configures one."""
    return read_project(follow_links(zoo).parent).train


def read_project(folder: Path) -> Project:
    """What the nearest `pyproject.toml` with a `[tool.torchbudget]` says.

    It is looked for in `folder`, then upwards. Raises `UsageError` for a `pyproject.toml` that
    cannot be read, and for a zoo that is not a file.
    """
    folder = follow_links(folder)
    for parent in (folder, *folder.parents):
        path = parent / "pyproject.toml"
        if path.is_file():
            table = _read_table(path)
            if table is not None:
                return _to_project(table, path)
    return Project()


def _read_table(path: Path) -> object:
    """What stands under `[tool.torchbudget]`; None where there is no such table."""
    with reading(path, UsageError, "cannot be read"):
        document = tomllib.loads(path.read_bytes().decode("utf-8"))
    tool = document.get("tool")
    return tool.get("torchbudget") if isinstance(tool, dict) else None


def _to_project(table: object, path: Path) -> Project:
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        raise UsageError(f'{path}: [tool.torchbudget] holds lines such as zoo = "zoo.py"')
    unknown = sorted(set(table) - set(KEYS))
    if unknown:
        raise UsageError(
            f"{path}: [tool.torchbudget] has no {unknown[0]!r}; it takes {', '.join(KEYS)}"
        )
    zoo = None
    if "zoo" in table:
        zoo = path.parent / table["zoo"]
        if not zoo.is_file():
            raise UsageError(f"{path}: zoo = {table['zoo']!r} names no file in {path.parent}")
    repetitions = path.parent / table["repetitions"] if "repetitions" in table else None
    return Project(zoo, _check_train(table.get("train"), path), repetitions, path.parent)


def _check_train(command: str | None, path: Path) -> str | None:
    """The command, its fields known; raises `UsageError`."""
    if command is None:
        return None
    try:
        fields = {
            field for _, field, _, _ in string.Formatter().parse(command) if field is not None
        }
    except ValueError as error:
        raise UsageError(f"{path}: train = {command!r}: {error}") from error
    if not fields <= FIELDS:
        raise UsageError(f"{path}: train = {command!r} may name {{entry}} and {{seed}} only")
    return command
