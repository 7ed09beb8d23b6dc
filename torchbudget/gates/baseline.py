"""The base that a change is compared with: the zoo as it was at a commit, read from git and never from the working tree."""

import json
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.data.mnist import IMAGE
from torchbudget.declare.entry import Entry, describe
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import BaselineError, NetworkError, ResultsError, WaiverError, ZooError
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.gates.waivers import Waiver, read_waivers
from torchbudget.network.hidden import count_hidden
from torchbudget.network.structure import count_multiply_adds, count_params
from torchbudget.network.trace import Trace, build, trace

ROOT = Path(__file__).resolve().parent.parent.parent
SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class BaselineEntry:
    """An entry at the base: its described `budget`, its size, and by seed the `misses` and `missed` images (index: digit) on record.

    `error` says why the network could not be measured; the sizes are then 0.
    """

    name: str
    dataset: str
    budget: dict
    params: int = 0
    multiply_adds: int = 0
    error: str = ""
    misses: dict[int, int] = field(default_factory=dict)
    missed: dict[int, dict[str, int]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    commit: str
    entries: dict[str, BaselineEntry]
    waivers: tuple[Waiver, ...] = ()


def measure_size(network: nn.Module, image: ImageSpec, *traces: Trace) -> tuple[int, int]:
    """Numbers that the network keeps (parameters, and what it hides) and its multiply-adds.

    `traces` are those in train and in eval mode, where they are there already. Raises
    `NetworkError`.
    """
    if not traces:
        traces = (trace(network, image, True), trace(network, image, False))
    kept = count_params(network) + count_hidden(network, *traces)
    return kept, count_multiply_adds(network, image)


def read_baseline(ref: str, zoo_file: Path) -> Baseline:
    """The zoo, record and waivers beside it at the merge base of HEAD and `ref`; raises `BaselineError`."""
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
        entries = _measure_apart(old, folder / "entries.json", commit)
        try:
            runs, waivers = (
                read_results(old.parent / "results.json"),
                read_waivers(old.parent / "waivers.toml"),
            )
        except (ResultsError, WaiverError) as error:
            raise BaselineError(f"at the base, {commit[:12]}: {error}") from error
    return Baseline(
        commit=commit,
        entries={name: _with_record(entry, runs) for name, entry in entries.items()},
        waivers=tuple(waivers),
    )


def _with_record(entry: BaselineEntry, runs: list[Run]) -> BaselineEntry:
    evidence = evidence_of(entry, runs)
    misses, missed = (
        {seed: run.test.misses for seed, run in evidence.items()},
        {seed: run.missed for seed, run in evidence.items()},
    )
    return replace(entry, misses=misses, missed=missed)


# --- git --------------------------------------------------------------------------------------------------------------


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
    tip = _git(
        top,
        "rev-parse",
        "--verify",
        "--quiet",
        f"{ref}^{{commit}}",
        why=f"--base {ref} is no commit here (git fetch it)",
    )
    return _git(
        top,
        "merge-base",
        "HEAD",
        tip,
        why=f"HEAD and {ref} have no common commit here (git fetch --unshallow)",
    )


def _extract(top: Path, commit: str, folder: Path) -> None:
    archive = folder / "tree.tar"
    _git(
        top,
        "archive",
        "--format=tar",
        f"--output={archive}",
        commit,
        why=f"{commit[:12]} cannot be read",
    )
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "tree", filter="data")
    except (tarfile.TarError, OSError) as error:
        raise BaselineError(f"{commit[:12]} cannot be read: {error}") from error


# --- the zoo, in a process of its own ---------------------------------------------------------------------------------


def _measure_apart(zoo_file: Path, out: Path, commit: str) -> dict[str, BaselineEntry]:
    """The entries of `zoo_file`, loaded where its modules cannot meet this process's, with this installation's `utils`."""
    command = [sys.executable, "-m", "torchbudget.gates.baseline", str(zoo_file), str(out)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise BaselineError(
            f"the zoo at the base, {commit[:12]}, took more than {SECONDS} s to load"
        ) from error
    if done.returncode or not out.is_file():
        raise BaselineError(
            f"the zoo at the base, {commit[:12]}, cannot be loaded: {_last_line(done.stderr)}"
        )
    return msgspec.json.decode(out.read_bytes(), type=dict[str, BaselineEntry])


def _last_line(text: str) -> str:
    return next(iter(text.strip().splitlines()[-1:]), "")


def _measure_entry(entry: Entry) -> dict[str, object]:
    declared = {"name": entry.name, "dataset": entry.dataset, "budget": describe(entry.budget)}
    try:
        params, multiply_adds = measure_size(build(entry.network), IMAGE)
    except NetworkError as error:
        return {**declared, "error": str(error)}
    return {**declared, "params": params, "multiply_adds": multiply_adds}


def main(zoo_file: str, out: str) -> int:
    """Write what the entries of `zoo_file` declare and measure to `out`, as JSON."""
    try:
        zoo = load_zoo(Path(zoo_file))
    except ZooError as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return 1
    Path(out).write_text(json.dumps({name: _measure_entry(entry) for name, entry in zoo.items()}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
