"""The baseline that a change is compared with: the zoo as it was at a commit.

It is read from git, never from the working tree.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.data.loading import load_dataset
from torchbudget.data.spec import DataSpec
from torchbudget.declare.entry import Ensemble, Entry, describe
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import (
    BaselineError,
    DataError,
    NetworkError,
    ResultsError,
    Unmeasurable,
    WaiverError,
    ZooError,
)
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.gates.waivers import WAIVERS_FILE, Waiver, read_waivers
from torchbudget.network.hidden import count_hidden
from torchbudget.network.inspection import EnsembleInspection, Inspection
from torchbudget.network.structure import count_multiply_adds, count_params
from torchbudget.network.trace import Trace, trace

PACKAGE = Path(__file__).resolve().parents[1]
SECONDS = 60
"""Time that the zoo at the baseline may take to load."""
WEIGHTS_FOLDER = "weights"
"""Where weights are beside the zoo file, unless the command says otherwise."""
FIRST_VERSION = Path("utils") / "entry.py"
"""What zoo files of the first version import, served by a module of that name in the zoo now."""

COSTS: dict[str, Callable[[Inspection], int]] = {
    "max_multiply_adds": lambda inspection: inspection.multiply_adds,
    "max_activation_bytes": lambda inspection: inspection.activation_bytes,
    "max_weight_bytes": lambda inspection: inspection.weight_bytes,
    "min_receptive_field": lambda inspection: inspection.receptive_field,
}
"""What a forward of one image costs, by the field of the budget that limits it."""


@dataclass(frozen=True, kw_only=True)
class BaselineEntry:
    """An entry at the baseline.

    Declared are its `budget`, `recipe` and `views`, described, what its data set says of
    `duplicates`, and the `members` that vote, as (entry, seed). Of its network
    there are the size, the `costs` that the budget limits, by field, the digest, and whether
    tensors come late; `error` says why it could not be measured, and these are then 0, empty or
    None. Of its record there are by seed the `misses` and `missed` images (index: class), all
    `runs` of its name, the `evidence` by seed, and the `trainings`: an ensemble's are those of its
    members, and it is None where one is missing.
    """

    name: str
    dataset: str
    budget: dict[str, Any]
    recipe: Any = None
    duplicates: str = ""
    views: list[dict[str, Any]] = field(default_factory=list)
    members: list[tuple[str, int]] = field(default_factory=list)
    params: int = 0
    multiply_adds: int = 0
    costs: dict[str, int] = field(default_factory=dict)
    network: str = ""
    late: bool | None = None
    error: str = ""
    misses: dict[int, int] = field(default_factory=dict)
    missed: dict[int, dict[str, int]] = field(default_factory=dict)
    runs: list[Run] = field(default_factory=list)
    evidence: dict[int, Run] = field(default_factory=dict)
    trainings: list[Run] | None = None

    @property
    def total(self) -> int | None:
        """The test images that its record was measured on; None without a record."""
        return next((run.test.total for run in self.evidence.values()), None)


def keep_names(name: str) -> tuple[str, ...]:
    """The predecessors of an entry, were no entry ever renamed."""
    return (name,)


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """The zoo at a commit, with what is beside it.

    That is the waivers, the digests of the weights files by name, and the names of all entries of
    which there are runs. `find_predecessors` gives the names that an entry of the zoo now is
    compared with, the closest first.
    """

    commit: str
    entries: dict[str, BaselineEntry]
    waivers: tuple[Waiver, ...] = ()
    weights: dict[str, str] = field(default_factory=dict)
    recorded: frozenset[str] = frozenset()
    find_predecessors: Callable[[str], tuple[str, ...]] = keep_names

    def predecessors_of(self, name: str) -> list[BaselineEntry]:
        """What the entry of this name was, the closest first; empty for a new one."""
        names = self.find_predecessors(name)
        return [self.entries[then] for then in names if then in self.entries]


def measure_size(network: nn.Module, image: ImageSpec, *traces: Trace) -> tuple[int, int]:
    """Numbers that the network keeps (parameters, and hidden ones) and its multiply-adds.

    `traces` are those in train and in eval mode, where they are there already. Raises
    `NetworkError`.
    """
    traces = traces or (trace(network, image, True), trace(network, image, False))
    kept = count_params(network) + count_hidden(network, *traces)
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
        shipped = sorted((old.parent / WEIGHTS_FOLDER).glob("*.safetensors"))
        weights = {path.name: file_digest(path) for path in shipped if path.is_file()}
    recorded = {name: add_record(entry, entries, runs) for name, entry in entries.items()}
    return Baseline(
        commit=commit,
        entries=recorded,
        waivers=tuple(waivers),
        weights=weights,
        recorded=frozenset(run.entry for run in runs),
    )


def add_record(
    entry: BaselineEntry, entries: dict[str, BaselineEntry], runs: list[Run]
) -> BaselineEntry:
    """The entry with what `runs` record of it; `entries` are all, with an ensemble's members."""
    evidence = evidence_of(entry, runs)
    sources = entry.members or [(entry.name, seed) for seed in range(entry.budget["seeds"])]
    trainings = [
        evidence_of(entries[name], runs).get(seed) for name, seed in sources if name in entries
    ]
    return replace(
        entry,
        misses={seed: run.test.misses for seed, run in evidence.items()},
        missed={seed: run.missed for seed, run in evidence.items()},
        runs=[run for run in runs if run.entry == entry.name],
        evidence=evidence,
        trainings=None if None in trainings else [run for run in trainings if run],
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


def _describe_entry(entry: Entry) -> BaselineEntry:
    """What the entry declares."""
    members = entry.member_runs if isinstance(entry, Ensemble) else ()
    return BaselineEntry(
        name=entry.name,
        dataset=entry.dataset,
        budget=describe(entry.budget),
        recipe=describe(entry.recipe),
        duplicates=describe_duplicates(entry.data),
        views=describe(entry.views),
        members=[(member.name, seed) for member, seed in members],
    )


def describe_duplicates(data: DataSpec) -> str:
    """From which likeness on two images of the data set are one, and which pairs are excepted."""
    pairs = sorted(sorted(pair) for pair in data.known_duplicates)
    return f"near {data.near}, known {pairs}"


def measure_entry(entry: Entry, folder: Path, inspections: dict[int, Inspection]) -> BaselineEntry:
    """The entry, its network measured; `error` says where it cannot be.

    `inspections` keeps what is measured, by the network's callable, for the entries that share it.
    """
    described = _describe_entry(entry)
    try:
        image = entry.data.image or load_dataset(entry.data, folder=folder).image
        inspection = _inspect(entry, image, inspections)
        params, multiply_adds = inspection.size
        measured = replace(
            described,
            params=params,
            multiply_adds=multiply_adds,
            network=inspection.digest,
            late=bool(inspection.late),
            costs={
                name: measure(inspection)
                for name, measure in COSTS.items()
                if described.budget[name] is not None
            },
        )
        inspection.release()
        return measured
    except (NetworkError, DataError, Unmeasurable) as error:
        return replace(described, error=str(error))


def _inspect(entry: Entry, image: ImageSpec, inspections: dict[int, Inspection]) -> Inspection:
    """What is static about the entry's network, an ensemble's by its members."""
    key = id(entry.network)
    if key in inspections and inspections[key].image == image:
        return inspections[key]
    if isinstance(entry, Ensemble):
        members = [_inspect(member, image, inspections) for member, _ in entry.member_runs]
        inspections[key] = EnsembleInspection(entry.network, image, members)
    else:
        inspections[key] = Inspection(entry.network, image)
    return inspections[key]


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
    inspections: dict[int, Inspection] = {}
    entries = {
        name: asdict(measure_entry(entry, path.parent, inspections)) for name, entry in zoo.items()
    }
    Path(out).write_text(json.dumps(entries, default=str), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
