"""Files that appear together with a run's record: weights, history, pictures.

They are written beside the places where they belong. Then the record is replaced, which is what
makes them real, and then they take their places. Each carries in its name which run of which record
it belongs to. So whatever a killed process left is finished where the record names the run, and
removed where it does not: `settle` does that before the next run is recorded. What is left of a
file that was still being written is removed then, too.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from torchbudget.evidence.files import file_digest, remove_abandoned, write_atomically
from torchbudget.evidence.results import Run, lock, read_results, seal, write_results
from torchbudget.reading import follow_links

STAGED = re.compile(r"\.(?P<name>.+)\.(?P<run>[0-9a-f]{16})-(?P<record>[0-9a-f]{8})\.staged")
"""The name of a staged file: its own, and from the digests of its run's weights and its record."""


def append_run(path: Path, run: Run, files: Mapping[Path, bytes] | None = None) -> None:
    """Add `run`, sealed, under a lock; the file is replaced whole.

    `files` are the other files of the run, such as its weights: they appear with the record, or
    where it cannot be written not at all.
    """
    files = {follow_links(file): content for file, content in (files or {}).items()}
    folders = [file.parent for file in files]
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_partial(path, folders)
    with lock(path):
        runs = read_results(path)
        settle(path, folders, [old.digests.weights for old in runs])
        try:
            stage(files, path, run.digests.weights)
            write_results(path, [old for old in runs if old.stem != run.stem] + [seal(run)])
        finally:
            settle(path, folders, [known.digests.weights for known in read_results(path)])


def settle_runs(path: Path, folders: Iterable[Path]) -> list[Path]:
    """Finish what a killed process began to record in `path`; the files that took their places.

    Raises `ResultsError` and `OSError`.
    """
    folders = list(folders)
    _remove_partial(path, folders)
    if not has_staged(path, folders):
        return []
    with lock(path):
        return settle(path, folders, [run.digests.weights for run in read_results(path)])


def _remove_partial(record: Path, folders: Iterable[Path]) -> None:
    """Remove what killed processes were still writing: the record, or anything in `folders`."""
    if record.parent.is_dir():
        remove_abandoned(record.parent, record.name)
    for folder in dict.fromkeys(folders):
        if folder.is_dir():
            remove_abandoned(folder)


def stage(files: Mapping[Path, bytes], record: Path, weights: str) -> list[Path]:
    """Write `files` beside their places; the names of the staged files.

    They belong to the run with weights of the digest `weights` in the results file `record`.
    Raises `OSError`; what was staged before stays.
    """
    staged = []
    for path, content in files.items():
        name = f".{path.name}.{weights[:16]}-{_name_record(record, path.parent)}.staged"
        write_atomically(path.parent / name, content)
        staged.append(path.parent / name)
    return staged


def settle(record: Path, folders: Iterable[Path], weights: Iterable[str]) -> list[Path]:
    """Finish or remove what is staged for `record` in `folders`; the files that took their places.

    `weights` are the digests that the record names. The caller holds the record's lock, so that
    nothing is being staged meanwhile.
    """
    known = {digest[:16] for digest in weights}
    placed = []
    for path, match in _find_staged(record, folders):
        if match["run"] in known and _is_of_run(path, match):
            path.replace(path.with_name(match["name"]))
            placed.append(path.with_name(match["name"]))
        else:
            path.unlink(missing_ok=True)
    return placed


def _is_of_run(path: Path, match: re.Match[str]) -> bool:
    """Whether a staged weights file has the digest that its name tells; pictures have none."""
    weights = match["name"].endswith(".safetensors")
    return not weights or file_digest(path).startswith(match["run"])


def has_staged(record: Path, folders: Iterable[Path]) -> bool:
    """Whether `settle` would find anything."""
    return any(True for _ in _find_staged(record, folders))


def find_staged(path: Path, weights: str) -> Path | None:
    """The staged file that is to be the weights file `path` with the digest `weights`, if any."""
    for staged in path.parent.glob(".*.staged"):
        match = STAGED.fullmatch(staged.name)
        named = match and (match["name"], match["run"]) == (path.name, weights[:16])
        if named and file_digest(staged) == weights:
            return staged
    return None


def _find_staged(record: Path, folders: Iterable[Path]) -> Iterator[tuple[Path, re.Match[str]]]:
    for folder in dict.fromkeys(folders):
        if not folder.is_dir():
            continue
        mine = _name_record(record, folder)
        for entry in sorted(folder.glob(".*.staged")):
            match = STAGED.fullmatch(entry.name)
            if match and match["record"] == mine:
                yield entry, match


def _name_record(record: Path, folder: Path) -> str:
    """The record as seen from the folder: it is the same after both have moved."""
    relative = os.path.relpath(os.path.realpath(record), os.path.realpath(folder))
    return hashlib.sha256(Path(relative).as_posix().encode("utf-8", "replace")).hexdigest()[:8]
