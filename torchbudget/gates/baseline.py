"""The baseline that a change is compared with: the zoo as it was at a commit.

It is read from git, never from the working tree.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.data.loading import load_dataset
from torchbudget.declare.entry import Entry, describe
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import (
    BaselineError,
    DataError,
    NetworkError,
    ResultsError,
    WaiverError,
    ZooError,
)
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.gates.waivers import WAIVERS_FILE, Waiver, read_waivers
from torchbudget.network.information import count_information
from torchbudget.network.multiply_adds import count_multiply_adds
from torchbudget.network.trace import Trace, build, trace

PACKAGE = Path(__file__).resolve().parents[1]
SECONDS = 60
"""Time that the zoo at the baseline may take to load."""
FIRST_VERSION = Path("utils") / "entry.py"
"""What zoo files of the first version import, served by a module of that name in the zoo now."""


@dataclass(frozen=True, kw_only=True)
class BaselineEntry:
    """An entry at the baseline.

    Its described `budget`, its size, and by seed the `misses` and `missed` images (index: class) on
    record. `error` says why the network could not be measured; the sizes are then 0.
    """

    name: str
    dataset: str
    budget: dict[str, Any]
    params: int = 0
    multiply_adds: int = 0
    error: str = ""
    misses: dict[int, int] = field(default_factory=dict)
    missed: dict[int, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The zoo at a commit, with the waivers beside it."""

    commit: str
    entries: dict[str, BaselineEntry]
    waivers: tuple[Waiver, ...] = ()


def measure_size(network: nn.Module, image: ImageSpec, *traces: Trace) -> tuple[int, int]:
    """Numbers that the network keeps (parameters, and hidden ones) and its multiply-adds.

    `traces` are those in train and in eval mode, where they are there already. Raises
    `NetworkError`.
    """
    train, evaluating = traces or (trace(network, image, True), trace(network, image, False))
    kept = count_information(train, evaluating).total
    return kept, count_multiply_adds(network, image)


def read_baseline(ref: str, zoo_file: Path) -> Baseline:
    """The zoo, record and waivers at the merge base of HEAD and `ref`; raises `BaselineError`."""
    zoo_file = zoo_file.resolve()
    top = Path(_git(zoo_file.parent, "rev-parse", "--show-toplevel", why="--base reads git"))
    if not zoo_file.is_relative_to(top):
        raise BaselineError(f"{zoo_file} is outside {top}")
    commit = _merge_base(ref, top)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        _extract(top, commit, folder)
        old = folder / "tree" / zoo_file.relative_to(top)
        if not old.is_file():
            raise BaselineError(
                f"there is no {zoo_file.relative_to(top)} at the base, {commit[:12]}"
            )
        entries = _measure_in_subprocess(old, zoo_file.parent, folder / "entries.json", commit)
        try:
            runs = read_results(old.parent / "results.json")
            waivers = read_waivers(old.parent / WAIVERS_FILE)
        except (ResultsError, WaiverError) as error:
            raise BaselineError(f"at the base, {commit[:12]}: {error}") from error
    recorded = {name: _with_record(entry, runs) for name, entry in entries.items()}
    return Baseline(commit=commit, entries=recorded, waivers=tuple(waivers))


def _with_record(entry: BaselineEntry, runs: list[Run]) -> BaselineEntry:
    evidence = evidence_of(entry, runs)
    return replace(
        entry,
        misses={seed: run.test.misses for seed, run in evidence.items()},
        missed={seed: run.missed for seed, run in evidence.items()},
    )


# --- git ------------------------------------------------------------------------------------------


def _git(folder: Path, *words: str, why: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True)
    except OSError as error:
        raise BaselineError(f"{why}: {error}") from error
    if done.returncode:
        raise BaselineError(f"{why}: {_last_line(done.stderr) or f'git {words[0]} found nothing'}")
    return done.stdout.strip()


def _merge_base(ref: str, top: Path) -> str:
    if not ref or ref.startswith("-"):
        raise BaselineError(f"--base {ref!r} is no commit")
    unknown = f"--base {ref} is no commit here (git fetch it)"
    tip = _git(top, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", why=unknown)
    unrelated = f"HEAD and {ref} have no common commit here (git fetch --unshallow)"
    return _git(top, "merge-base", "HEAD", tip, why=unrelated)


def _extract(top: Path, commit: str, folder: Path) -> None:
    archive = folder / "tree.tar"
    unreadable = f"{commit[:12]} cannot be read"
    _git(top, "archive", "--format=tar", f"--output={archive}", commit, why=unreadable)
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "tree", filter="data")
    except (tarfile.TarError, OSError) as error:
        raise BaselineError(f"{unreadable}: {error}") from error


# --- the zoo, in a process of its own -------------------------------------------------------------


def _measure_in_subprocess(
    zoo_file: Path, current: Path, out: Path, commit: str
) -> dict[str, BaselineEntry]:
    """The entries of `zoo_file`, loaded where its modules cannot meet this process's.

    `current` is the folder of the zoo file in the working tree.
    """
    command = [sys.executable, "-m", __name__, str(zoo_file), str(current), str(out)]
    path = os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path.rstrip(os.pathsep)}
    try:
        done = subprocess.run(
            command,
            cwd=zoo_file.parent,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise BaselineError(
            f"the zoo at the base, {commit[:12]}, took more than {SECONDS} s to load"
        ) from error
    if done.returncode or not out.is_file():
        reason = _last_line(done.stderr)
        raise BaselineError(f"the zoo at the base, {commit[:12]}, cannot be loaded: {reason}")
    return msgspec.json.decode(out.read_bytes(), type=dict[str, BaselineEntry])


def _last_line(text: str) -> str:
    return next(iter(text.strip().splitlines()[-1:]), "")


def _measure_entry(entry: Entry, folder: Path) -> dict[str, Any]:
    declared = {
        "name": entry.name,
        "dataset": entry.dataset,
        "budget": describe(entry.budget),
    }
    try:
        image = entry.data.image or load_dataset(entry.data, folder=folder).image
        params, multiply_adds = measure_size(build(entry.network), image)
    except (NetworkError, DataError) as error:
        return {**declared, "error": str(error)}
    return {**declared, "params": params, "multiply_adds": multiply_adds}


def _load_old_zoo(zoo_file: Path, current: Path) -> dict[str, Entry]:
    """The entries of a zoo file, be it of the first version.

    Those import `utils.entry`, which declared entries of its own then; now a module of that name
    beside the zoo file forwards to this package.
    """
    old = zoo_file.parent / FIRST_VERSION
    served = current / FIRST_VERSION
    if old.is_file() and served.is_file() and "torchbudget" not in old.read_text(encoding="utf-8"):
        sys.path.insert(0, str(current))
        __import__(".".join(FIRST_VERSION.with_suffix("").parts))
        sys.path.remove(str(current))
        return load_zoo(zoo_file, served=(FIRST_VERSION.parts[0],))
    return load_zoo(zoo_file)


def main(zoo_file: str, current: str, out: str) -> int:
    """Write what the entries of `zoo_file` declare and measure to `out`, as JSON."""
    path = Path(zoo_file)
    try:
        zoo = _load_old_zoo(path, Path(current))
    except ZooError as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return error.exit_code
    entries = {name: _measure_entry(entry, path.parent) for name, entry in zoo.items()}
    Path(out).write_text(json.dumps(entries), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
