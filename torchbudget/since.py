"""Which entries have not changed since a commit, and what its check said of them.

A verdict is taken over from the report of a check of that commit, and only where all that it rests
on is as it was: what the zoo's code gives, the record, the weights, the images and the judge. What
is not known to be the same is measured.
"""

import argparse
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path

from torchbudget.building.client import BuiltZoo, build_zoo
from torchbudget.command import complain
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_dataset
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import locate
from torchbudget.errors import DataError, UsageError
from torchbudget.evidence.results import Run, read_results
from torchbudget.fingerprints import collect_histories, digest_data, digest_evidence, digest_judge
from torchbudget.gates import GATES, WITHOUT_BASELINE
from torchbudget.gates.baseline import find_base, git, top_of
from torchbudget.gates.ratchet import JUDGED_WITH_BASELINE
from torchbudget.gates.waivers import WAIVERS_FILE, read_waivers
from torchbudget.reading import follow_links, reading
from torchbudget.report.basis import Fingerprint
from torchbudget.report.formats import Report, from_json
from torchbudget.report.metrics import Metrics
from torchbudget.report.verdict import Origin, Status, Verdict
from torchbudget.shards import choose_entries

NOBODY = ""
"""The name of no entry: a zoo of which this is asked is imported, and no network is built."""
WITHOUT_IMAGES = frozenset({"params", "structure"})
"""Gates that look at no image of the data."""
LASTING = frozenset({Status.PASS, Status.FAIL, Status.NOT_APPLICABLE})
"""What a gate says whenever it is asked; a waiver expires, what was not measured is unknown."""


@dataclass(frozen=True)
class Since:
    """The report of a check of `commit`; without one, `why` there is nothing to take over."""

    commit: str
    report: Report | None = None
    why: str = ""

    def verdicts_on(self, entry: str, gates: Collection[str]) -> list[Verdict]:
        """What the gates said of the entry; none where one of them said nothing that lasts."""
        mine = self._by_entry.get(entry, [])
        if not {verdict.status for verdict in mine} <= LASTING:
            return []
        told = {verdict.gate: verdict for verdict in mine}
        if not set(gates) <= {*told, *JUDGED_WITH_BASELINE}:
            return []
        return [
            replace(told[gate], since=self.commit, origin=None)
            if gate in told and gate not in JUDGED_WITH_BASELINE
            else self._held(entry, gate)
            for gate in gates
        ]

    @cached_property
    def _by_entry(self) -> dict[str, list[Verdict]]:
        verdicts: dict[str, list[Verdict]] = {}
        for verdict in self.report.verdicts if self.report else ():
            verdicts.setdefault(verdict.entry, []).append(verdict)
        return verdicts

    def _held(self, entry: str, gate: str) -> Verdict:
        return Verdict(
            gate=gate,
            status=Status.PASS,
            entry=entry,
            observed="it is the entry of the base",
            expected="no worse than the base",
            since=self.commit,
        )

    @cached_property
    def fingerprints(self) -> dict[str, Fingerprint]:
        """What the report's verdicts rest on, by entry."""
        basis = self.report.basis if self.report else None
        return {known.entry: known for known in basis.entries} if basis else {}


def read_since(ref: str, path: Path, zoo: Path) -> Since:
    """What the report at `path` gives for the commit `ref`; raises `UsageError` for no commit.

    A report that is missing, damaged, or of something else gives nothing, and says why.
    """
    top = top_of(zoo, "--since")
    if not ref or ref.startswith("-"):
        raise UsageError(f"--since {ref!r} is no commit")
    unknown = f"--since {ref} is no commit here (git fetch it)"
    commit = git(top, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}", why=unknown)
    if not path.is_file():
        return Since(commit, why=f"there is no {path}")
    if is_tracked(path, top):
        return Since(commit, why=f"git tracks {path}, and no commit vouches for itself")
    try:
        with reading(path, UsageError, "is no report of `check --json`"):
            report = from_json(path.read_bytes())
    except UsageError as error:
        return Since(commit, why=str(error))
    if report.basis is None or not report.basis.commit:
        return Since(commit, why=f"{path} does not say which commit it is of")
    if report.basis.commit != commit:
        return Since(commit, why=f"{path} is of {report.basis.commit[:12]}")
    if report.basis.judge != digest_judge():
        return Since(commit, why=f"the judge, Python or a package is another one than in {path}")
    return Since(commit, report)


def is_tracked(path: Path, top: Path) -> bool:
    """Whether the file, or the one that a link at the path leads to, is part of the repository."""
    names = {path.absolute(), follow_links(path)}
    inside = [str(name) for name in names if name.is_relative_to(top)]
    why = "what git tracks cannot be told"
    return bool(inside) and bool(git(top, "ls-files", "-z", "--", *inside, why=why))


def code_is_as_at(commit: str, zoo: Path, results: Path, weights: Path) -> bool:
    """Whether the working tree differs from the commit in record and weights at most.

    Files that git ignores do not count.
    """
    top = top_of(zoo, "--since")
    why = f"what changed since {commit[:12]} cannot be told"
    changed = git(top, "diff", "--name-only", "--no-renames", "-z", commit, "--", why=why)
    untracked = git(top, "ls-files", "--others", "--exclude-standard", "-z", why=why)
    for name in filter(None, (changed + "\0" + untracked).split("\0")):
        path = (top / name).resolve()
        shipped = path.parent == weights.resolve() and path.suffix == ".safetensors"
        if path != results.resolve() and not shipped:
            return False
    return True


# --- what has not changed -------------------------------------------------------------------------


def keep_candidates(
    since: Since,
    names: Iterable[str],
    gates: Collection[str],
    waived: Collection[str],
    runs: Sequence[Run],
    weights: Path,
) -> list[str]:
    """The entries whose verdicts would be taken over, as far as record and weights say.

    None of the `waived`: what a waiver says is said anew.
    """
    kept = []
    for name in names:
        known = since.fingerprints.get(name)
        if known is None or name in waived or not since.verdicts_on(name, gates):
            continue
        if known.evidence == digest_evidence([name, *known.members], runs, weights):
            kept.append(name)
    return kept


def keep_unchanged(
    since: Since,
    candidates: Iterable[str],
    zoo: BuiltZoo,
    datasets: Mapping[str, Dataset | None],
    code_is_same: bool,
) -> list[str]:
    """Those of the candidates that the zoo's code still gives, and whose images are the same.

    `zoo` was built with the candidates, or where its code is the same only imported. `datasets` are
    those of the entries by name, None where it cannot be read; empty where no gate needs images.
    """
    digests = {id(found): digest_data(found) for found in datasets.values() if found}
    kept = []
    for name in candidates:
        known = since.fingerprints.get(name)
        if known is None or name not in zoo.entries:
            continue
        if not code_is_same and zoo.digests.get(name) != known.built:
            continue
        if name in datasets:
            dataset = datasets[name]
            if dataset is None or digests[id(dataset)] != known.data:
                continue
        kept.append(name)
    return kept


@dataclass(frozen=True)
class Unchanged:
    """The entries of a check that are not measured again, by their metrics.

    `names` are all entries of the zoo. Without `since` all is measured.
    """

    since: Since | None = None
    names: Sequence[str] = ()
    metrics: Mapping[str, Metrics] = field(default_factory=dict)

    def list_others(self, entries: Sequence[str]) -> list[str]:
        """Of `entries`, or where none is named of all, those that are measured."""
        if not self.metrics:
            return list(entries)
        others = [name for name in entries or self.names if name not in self.metrics]
        return others or [NOBODY]

    def verdicts_on(
        self, entries: Iterable[Entry], gates: Sequence[str], zoo: Path, *, against_base: bool
    ) -> list[Verdict]:
        """What is taken over of `entries`, each with its place in the zoo file as it is.

        Compared with a base, which is that commit, a failure was there too.
        """
        verdicts = [
            verdict
            for entry in entries
            if self.since and entry.name in self.metrics
            for verdict in self.since.verdicts_on(entry.name, gates)
        ]
        return [
            replace(
                verdict,
                where=locate(zoo, verdict.entry, verdict.field),
                origin=Origin.INHERITED if against_base and verdict.status is Status.FAIL else None,
            )
            for verdict in verdicts
        ]

    def fingerprint(self, entry: Entry) -> Fingerprint | None:
        """What the verdicts on the entry rest on; None where it is measured."""
        if self.since is None or entry.name not in self.metrics:
            return None
        return self.since.fingerprints[entry.name]


def find_unchanged(options: argparse.Namespace, results: Path) -> Unchanged:
    """What a check with these options need not measure again; `results` is the record.

    Where nothing can be taken over, a line on stderr says why.
    """
    if not options.since:
        return Unchanged()
    since = read_since(options.since, options.verdicts, options.zoo)
    if since.report and options.base:
        base = find_base(options.base, options.zoo)
        if base != since.commit:
            since = Since(since.commit, why=f"--base compares with {base[:12]}")
    if since.report is None:
        taken = f"nothing is taken over since {since.commit[:12]}, all is measured"
        complain("torchbudget check", f"{taken}: {since.why}")
        return Unchanged()
    folder = follow_links(options.zoo).parent
    weights = options.weights or folder / "weights"
    runs = read_results(results)
    build = partial(
        build_zoo,
        options.zoo,
        data_root=options.data_root,
        histories=collect_histories(runs),
        seconds=options.max_seconds,
        memory=int(options.max_memory * 2**30),
    )
    zoo = build(entries=[NOBODY])
    names = list(zoo.entries)
    chosen = [zoo.entries[name] for name in options.entries or names if name in zoo.entries]
    if options.shard:
        chosen = choose_entries(chosen, runs, *options.shard)
    gates = [name.strip() for name in options.only.split(",")] if options.only else list(GATES)
    if not options.base:
        gates = [name for name in gates if name in WITHOUT_BASELINE]
    waived = {waiver.entry for waiver in read_waivers(folder / WAIVERS_FILE)}
    asked = [entry.name for entry in chosen]
    candidates = keep_candidates(since, asked, gates, waived, runs, weights)
    same = code_is_as_at(since.commit, options.zoo, results, weights)
    if candidates and not same:
        zoo = build(entries=candidates)
    datasets: dict[str, Dataset | None] = {}
    if not set(gates) <= WITHOUT_IMAGES:
        datasets = load_datasets([zoo.entries[name] for name in candidates], options, folder)
    kept = keep_unchanged(since, candidates, zoo, datasets, same)
    figures = {metrics.entry: metrics for metrics in since.report.figures}
    return Unchanged(since, names, {name: figures[name] for name in kept if name in figures})


def load_datasets(
    entries: Iterable[Entry], options: argparse.Namespace, folder: Path
) -> dict[str, Dataset | None]:
    """The data set of each entry by the entry's name, None where it cannot be read."""
    loaded: dict[object, Dataset | None] = {}
    for entry in entries:
        if entry.data not in loaded:
            try:
                loaded[entry.data] = load_dataset(entry.data, options.data_root, folder)
            except DataError:
                loaded[entry.data] = None
    return {entry.name: loaded[entry.data] for entry in entries}
