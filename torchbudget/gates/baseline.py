"""The baseline that a change is compared with: the zoo as it was at a commit.

It is read from git, never from the working tree.
"""

import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torchbudget.building.client import build_zoo
from torchbudget.data.spec import DataSpec
from torchbudget.declare.entry import Ensemble, Entry, describe
from torchbudget.errors import (
    BaselineError,
    BuildError,
    ResultsError,
    Unmeasurable,
    WaiverError,
    ZooError,
)
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.evidence.stored import count_bytes, count_scales
from torchbudget.gates.inspections import Inspections
from torchbudget.gates.waivers import WAIVERS_FILE, Waiver, read_waivers
from torchbudget.network.inspection import Inspection
from torchbudget.report.metrics import Metrics

SECONDS = 300.0
"""Time that the zoo at the baseline may take to be built."""
WEIGHTS_FOLDER = "weights"
"""Where weights are beside the zoo file, unless the command says otherwise."""

COSTS: dict[str, Callable[[Inspection, int], int]] = {
    "max_multiply_adds": lambda inspection, _: inspection.multiply_adds,
    "max_activation_bytes": lambda inspection, _: inspection.activation_bytes,
    "max_weight_bytes": lambda _, weight_bytes: weight_bytes,
    "min_receptive_field": lambda inspection, _: inspection.receptive_field,
}
"""What a network costs, by the field of the budget that limits it.

By its inspection, and by the bytes of the tensors in its weights file.
"""


@dataclass(frozen=True, kw_only=True)
class BaselineEntry:
    """An entry at the baseline.

    Declared are its `budget`, `recipe` and `views`, described, what its data set says of
    `duplicates`, and the `members` that vote, as (entry, seed). Of its network
    there are the size, the bytes of its weights, the `costs` that the budget limits, by field, the
    digest, and whether tensors come late; `error` says why it could not be measured, and these are
    then 0, empty or None. Of its record there are by seed the `misses` and `missed` images (index:
    class), all `runs` of its name, the `evidence` by seed, and the `trainings`: an ensemble's are
    those of its members, and it is None where one is missing.
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
    weight_bytes: int = 0
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
    which there are runs. `has_zoo` says whether there was a zoo file. `find_predecessors` gives the
    names that an entry of the zoo now is compared with, the closest first.
    """

    commit: str
    entries: dict[str, BaselineEntry]
    waivers: tuple[Waiver, ...] = ()
    weights: dict[str, str] = field(default_factory=dict)
    recorded: frozenset[str] = frozenset()
    has_zoo: bool = True
    find_predecessors: Callable[[str], tuple[str, ...]] = keep_names

    def predecessors_of(self, name: str) -> list[BaselineEntry]:
        """What the entry of this name was, the closest first; empty for a new one."""
        names = self.find_predecessors(name)
        return [self.entries[then] for then in names if then in self.entries]


def read_baseline(ref: str, zoo_file: Path, *, may_lack_zoo: bool = False) -> Baseline:
    """The zoo, record and waivers at the merge base of HEAD and `ref`; raises `BaselineError`.

    With `may_lack_zoo`, a commit without the zoo file is a baseline without entries, not an error.
    """
    zoo_file = zoo_file.resolve()
    top = top_of(zoo_file, "--base")
    commit = _merge_base(ref, top)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place).resolve()
        _extract(top, commit, folder)
        old = folder / "tree" / zoo_file.relative_to(top)
        if not old.is_file():
            if may_lack_zoo:
                return Baseline(commit=commit, entries={}, has_zoo=False)
            raise BaselineError(
                f"there is no {zoo_file.relative_to(top)} at the base, {commit[:12]}"
            )
        entries = _build(old, zoo_file.parent, commit)
        try:
            runs = read_results(old.parent / "results.json", canonical=False)
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


def top_of(zoo_file: Path, reader: str) -> Path:
    """The folder of the repository that holds the zoo file; raises `BaselineError`."""
    zoo_file = zoo_file.resolve()
    top = Path(git(zoo_file.parent, "rev-parse", "--show-toplevel", why=f"{reader} reads git"))
    if not zoo_file.is_relative_to(top):
        raise BaselineError(f"{zoo_file} is outside {top}")
    return top


def find_base(ref: str, zoo_file: Path) -> str:
    """The merge base of HEAD and `ref`; raises `BaselineError`."""
    return _merge_base(ref, top_of(zoo_file, "--base"))


def git(folder: Path, *words: str, why: str) -> str:
    """What git prints, stripped; raises a `BaselineError` that begins with `why`."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words],
            capture_output=True,
            encoding="utf-8",
            errors="surrogateescape",
        )
    except OSError as error:
        raise BaselineError(f"{why}: {error}") from error
    if done.returncode:
        raise BaselineError(f"{why}: {_last_line(done.stderr) or f'git {words[0]} found nothing'}")
    return done.stdout.strip()


def _merge_base(ref: str, top: Path) -> str:
    if not ref or ref.startswith("-"):
        raise BaselineError(f"--base {ref!r} is no commit")
    unknown = f"--base {ref} is no commit here (git fetch it)"
    tip = git(top, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", why=unknown)
    unrelated = f"HEAD and {ref} have no common commit here (git fetch --unshallow)"
    return git(top, "merge-base", "HEAD", tip, why=unrelated)


def _extract(top: Path, commit: str, folder: Path) -> None:
    archive = folder / "tree.tar"
    unreadable = f"{commit[:12]} cannot be read"
    if not git(top, "ls-tree", "--name-only", commit, why=unreadable):
        return  # tarfile takes no archive without a member
    git(top, "archive", "--format=tar", f"--output={archive}", commit, why=unreadable)
    try:
        with tarfile.open(archive) as packed:
            packed.extractall(folder / "tree", filter="data")
    except (tarfile.TarError, OSError) as error:
        raise BaselineError(f"{unreadable}: {error}") from error


# --- the zoo, built as today's is -----------------------------------------------------------------


def _build(zoo_file: Path, current: Path, commit: str) -> dict[str, BaselineEntry]:
    """The entries of `zoo_file`; `current` is the folder of the zoo file in the working tree."""
    try:
        zoo = build_zoo(zoo_file, current=current, seconds=SECONDS)
    except (ZooError, BuildError) as error:
        raise BaselineError(
            f"the zoo at the base, {commit[:12]}, cannot be loaded: {error}"
        ) from error
    inspections = Inspections(zoo)
    entries = list(zoo.entries.values())
    measured = {}
    for number, entry in enumerate(entries, start=1):
        measured[entry.name] = measure_entry(entry, inspections)
        inspections.release_all_but(entries[number:])
    return measured


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


def to_metrics(entry: BaselineEntry) -> Metrics:
    """The numbers of an entry at the baseline, without its sizes where they were not measured."""
    if entry.error:
        return Metrics(entry=entry.name, total=entry.total, misses=entry.misses)
    return Metrics(
        entry=entry.name,
        params=entry.params,
        multiply_adds=entry.multiply_adds,
        weight_bytes=entry.weight_bytes,
        total=entry.total,
        misses=entry.misses,
    )


def describe_duplicates(data: DataSpec) -> str:
    """From which likeness on two images of the data set are one, and which pairs are excepted."""
    pairs = sorted(sorted(pair) for pair in data.known_duplicates)
    return f"near {data.near}, known {pairs}"


def measure_entry(entry: Entry, inspections: Inspections) -> BaselineEntry:
    """The entry, its network measured; `error` says where it cannot be."""
    described = _describe_entry(entry)
    inspection = inspections.of(entry)
    try:
        params, multiply_adds = inspection.size
        voters = [member for member, _ in entry.member_runs] if isinstance(entry, Ensemble) else []
        stored = [(inspections.of(part).network.kept, part.stored) for part in voters or [entry]]
        weight_bytes = sum(count_bytes(*part) for part in stored)
        return replace(
            described,
            params=params + sum(count_scales(*part) for part in stored),
            multiply_adds=multiply_adds,
            weight_bytes=weight_bytes,
            network=inspection.digest,
            late=bool(inspection.late),
            costs={
                name: measure(inspection, weight_bytes)
                for name, measure in COSTS.items()
                if described.budget[name] is not None
            },
        )
    except Unmeasurable as error:
        return replace(described, error=str(error))
