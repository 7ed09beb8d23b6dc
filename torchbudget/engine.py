"""Judging a zoo file: the one engine behind the command line and the pytest plugin."""

import contextlib
import functools
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from torchbudget.building.client import SECONDS, build_zoo
from torchbudget.building.connection import MEMORY
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_dataset
from torchbudget.data.spec import DataSpec
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import locate
from torchbudget.errors import UsageError
from torchbudget.evidence.machine import platform_id
from torchbudget.evidence.results import Run, evidence_of, read_results
from torchbudget.fingerprints import collect_histories, fingerprint
from torchbudget.gates import GATES, WITHOUT_BASELINE, judge
from torchbudget.gates.baseline import Baseline, BaselineEntry, read_baseline, to_metrics
from torchbudget.gates.flips import find_flips
from torchbudget.gates.inspections import Inspections
from torchbudget.gates.observation import TRAIN_COMMAND, Observation, Sources
from torchbudget.gates.origin import find_origin, find_waiver_origin
from torchbudget.gates.ratchet import judge_against_baseline
from torchbudget.gates.succession import Identity, find_predecessors, identify
from torchbudget.gates.waivers import WAIVERS_FILE, apply_waivers, read_waivers
from torchbudget.heap import trim_heap
from torchbudget.reading import follow_links
from torchbudget.report.basis import Fingerprint
from torchbudget.report.comparison import Base, Comparison
from torchbudget.report.metrics import Metrics
from torchbudget.report.progress import LiveLine
from torchbudget.report.verdict import Status, Verdict, not_judged
from torchbudget.suggestion import suggest


class Engine:
    """A zoo file with its record, weights and waivers, and the baseline it is compared with.

    The zoo is built in a process of its own, which may take `seconds` and `memory` bytes. `entries`
    are those that will be judged, all where none is named. What is observed of an entry is shared
    by its gates. `results` and `weights` are beside the zoo file by default. `train_command` renews
    a run, with {entry} and {seed} in it. With `base_may_lack_zoo`, a base without the zoo file has
    no entries. Raises a `UsageError` where a file cannot be read.
    """

    def __init__(
        self,
        path: Path,
        *,
        results: Path | None = None,
        weights: Path | None = None,
        data_root: Path | None = None,
        base: str | None = None,
        train_command: str | None = None,
        base_may_lack_zoo: bool = False,
        entries: Sequence[str] = (),
        seconds: float = SECONDS,
        memory: int = MEMORY,
    ) -> None:
        self.path = path
        folder = follow_links(path).parent
        runs = read_results(results or folder / "results.json")
        self._built = build_zoo(
            path,
            data_root=data_root,
            entries=entries,
            histories=collect_histories(runs),
            seconds=seconds,
            memory=memory,
        )
        self.zoo = self._built.entries

        self._datasets: dict[DataSpec, Dataset] = {}

        def load(spec: DataSpec) -> Dataset:
            if spec not in self._datasets:
                self._datasets[spec] = load_dataset(spec, data_root, folder)
            return self._datasets[spec]

        self._observations: dict[str, Observation] = {}
        self._inspections = Inspections(self._built)
        self._sources = Sources(
            runs=runs,
            weights=weights or folder / "weights",
            load=load,
            platform=platform_id(),
            baseline=None if base is None else self._read_baseline(base, runs, base_may_lack_zoo),
            train_command=train_command or TRAIN_COMMAND,
        )
        self._waivers = read_waivers(folder / WAIVERS_FILE)

    def _read_baseline(self, ref: str, runs: list[Run], may_lack_zoo: bool) -> Baseline:
        """The baseline, whose entries are recognised under other names."""
        baseline = read_baseline(ref, self.path, may_lack_zoo=may_lack_zoo)
        now = {name: self._identify(entry, runs) for name, entry in self.zoo.items()}
        then = {name: identify(entry) for name, entry in baseline.entries.items()}
        find = functools.cache(functools.partial(find_predecessors, now=now, then=then))
        return replace(baseline, find_predecessors=find)

    def _identify(self, entry: Entry, runs: list[Run]) -> Identity:
        """By what the entry is recognised; its network is traced only where that decides."""

        @functools.cache
        def digest_network() -> str:
            with contextlib.suppress(Exception, SystemExit):  # the gates say what is wrong
                return self.observe(entry).network_digest
            return ""

        weights = frozenset(run.digests.weights for run in evidence_of(entry, runs).values())
        return Identity(dataset=entry.dataset, weights=weights, digest_network=digest_network)

    @property
    def runs(self) -> list[Run]:
        """All records of the zoo."""
        return self._sources.runs

    def fingerprint(self, entry: Entry) -> Fingerprint:
        """All that the verdicts on an entry rest on that was built."""
        built = self._built.digests.get(entry.name, "")
        dataset = self._datasets.get(entry.data)
        return fingerprint(entry, built, self.runs, self._sources.weights, dataset)

    @property
    def allowed(self) -> tuple[str, ...]:
        """What this system could not forbid to the zoo's code."""
        return self._built.allowed

    @property
    def baseline(self) -> Baseline | None:
        return self._sources.baseline

    def select_gates(self, only: str = "") -> list[str]:
        """The gates named in "a,b", or all that this engine can run.

        Raises `UsageError` for one that it cannot.
        """
        able = list(GATES if self.baseline else WITHOUT_BASELINE)
        names = [name.strip() for name in only.split(",")] if only else able
        for name in names:
            check_gate(name)
            if name not in able:
                raise UsageError(f"gate {name} compares with a base: give --base REF")
        return names

    def observe(self, entry: Entry) -> Observation:
        if entry.name not in self._observations:
            self._observations[entry.name] = Observation(
                entry, self._sources, observe=self.observe, inspections=self._inspections
            )
        return self._observations[entry.name]

    def judge_zoo(
        self,
        entries: list[Entry],
        gates: list[str],
        *,
        fail_fast: bool = False,
        progress: LiveLine | None = None,
        beside: list[Entry] | None = None,
    ) -> list[Verdict]:
        """A verdict for each entry and gate, entry by entry, waivers applied.

        Then those on what is beside them: runs of no entry, weakened budgets, void waivers; beside
        the entries `beside`, where `entries` are only some of those that are judged elsewhere. With
        `fail_fast` the first failure that is not waived ends it, and what is left is `not_judged`.
        """
        progress = progress or LiveLine(enabled=False)
        steps = [(entry.name, gate) for entry in entries for gate in gates]
        progress.start(steps)
        verdicts: list[Verdict] = []
        for verdict in self._judge_in_turn(entries, gates, progress):
            verdicts.append(verdict)
            if fail_fast and self._is_failure(verdict):
                break
        else:
            around = entries if beside is None else beside
            verdicts += map(self._with_origin, self._judge_beside(around, gates))
        left = [not_judged(gate, entry) for entry, gate in steps[len(verdicts) :]]
        return [*self._waive(verdicts), *left]

    def _judge_in_turn(
        self, entries: list[Entry], gates: list[str], progress: LiveLine
    ) -> Iterator[Verdict]:
        for number, entry in enumerate(entries, start=1):
            for gate in gates:
                progress.show(entry.name, gate)
                yield self._with_origin(judge(gate, entry, self.observe(entry)))
                trim_heap()
            self.measure_entry(entry)  # what is shown of it, while its network is still here
            self._inspections.release_all_but(entries[number:])

    def _judge_beside(self, entries: list[Entry], gates: list[str]) -> Iterator[Verdict]:
        """Verdicts on what is beside the entries; void waivers come with the waivers."""
        if "chain" in gates and len(entries) == len(self.zoo):
            yield from self._judge_orphans()
        if "ratchet" in gates and self.baseline and entries:
            names = [entry.name for entry in entries]
            yield from judge_against_baseline(self.zoo, self.baseline, self._waivers, names)

    def _with_origin(self, verdict: Verdict) -> Verdict:
        """The verdict; a failure says whether it was there at the baseline, if there is one."""
        if verdict.status is not Status.FAIL or self.baseline is None:
            return verdict
        entry = self.zoo.get(verdict.entry)
        observation = self.observe(entry) if entry else None
        return replace(verdict, origin=find_origin(verdict, self.baseline, observation))

    def _is_failure(self, verdict: Verdict) -> bool:
        """Whether the verdict is a failure that no waiver covers."""
        return self._waive([verdict])[0].status is Status.FAIL

    def judge(self, entry: Entry, gate: str) -> list[Verdict]:
        """The verdict of one gate on one entry, and on a waiver of it that is no longer needed."""
        void = self._waive([])
        verdicts = self._waive([judge(gate, entry, self.observe(entry))])
        return [verdict for verdict in verdicts if verdict not in void]

    def judge_rest(self) -> list[Verdict]:
        """What `judge` leaves out: runs of no entry, and void waivers."""
        return self._waive(list(self._judge_orphans()))

    def _judge_orphans(self) -> Iterator[Verdict]:
        """A failure for each entry of which there are runs but which the zoo does not declare."""
        recorded = [run.entry for run in self._sources.runs]
        for name in sorted(set(recorded) - set(self.zoo)):
            yield Verdict(
                gate="chain",
                status=Status.FAIL,
                entry=name,
                observed=f"{recorded.count(name)} runs recorded, no such entry",
                expected="every run belongs to an entry of the zoo",
                remedy="bring the entry back, or remove its runs and weights in a commit that "
                "says so",
            )

    def _waive(self, verdicts: list[Verdict]) -> list[Verdict]:
        """The verdicts after the waivers, each with its place."""
        known = [*self.zoo, *(self.baseline.entries if self.baseline else ())]
        waived = apply_waivers(
            verdicts, self._waivers, datetime.now(UTC).date(), entries=known, gates=list(GATES)
        )
        if self.baseline:
            known_there = self.baseline.waivers
            waived = [find_waiver_origin(verdict, self._waivers, known_there) for verdict in waived]
        return [
            replace(verdict, where=verdict.where or locate(self.path, verdict.entry, verdict.field))
            for verdict in waived
        ]

    def measure_entry(self, entry: Entry) -> Metrics:
        """The numbers behind the verdicts: the network as built, the seeds that a gate measured."""
        observation = self.observe(entry)
        measured = dict(sorted(observation.measurements.items()))
        params: int | None = None
        multiply_adds: int | None = None
        weight_bytes: int | None = None
        with contextlib.suppress(Exception, SystemExit):  # the gates have said what is wrong
            params, multiply_adds = observation.size
            weight_bytes = observation.weight_bytes
        return Metrics(
            entry=entry.name,
            params=params,
            multiply_adds=multiply_adds,
            weight_bytes=weight_bytes,
            total=next((measurement.total for measurement in measured.values()), None),
            misses={seed: measurement.misses for seed, measurement in measured.items()},
            missed={seed: sorted(measurement.missed) for seed, measurement in measured.items()},
        )

    def measure_baseline(self) -> list[Metrics]:
        """The baseline's sizes, and the misses that its record claims; empty without one."""
        entries = self.baseline.entries.values() if self.baseline else ()
        return [to_metrics(entry) for entry in entries]

    @property
    def base(self) -> Base | None:
        """The commit that is compared with; None without one."""
        if self.baseline is None:
            return None
        return Base(commit=self.baseline.commit, has_zoo=self.baseline.has_zoo)

    def compare_entries(
        self,
        entries: list[Entry],
        *,
        unchanged: Mapping[str, Metrics] | None = None,
        beside: list[Entry] | None = None,
    ) -> list[Comparison]:
        """Each entry with what it was at the baseline, then those of it that are gone.

        `unchanged` are the metrics of entries that are as they were there. What is gone is looked
        for where `beside`, or without it `entries`, are all of the zoo.
        """
        known = unchanged or {}
        gone = self._find_gone(entries if beside is None else beside)
        return [
            *(self._compare_entry(entry, known.get(entry.name)) for entry in entries),
            *(Comparison(now=None, then=to_metrics(was)) for was in gone),
        ]

    def _compare_entry(self, entry: Entry, unchanged: Metrics | None) -> Comparison:
        now = unchanged or self.measure_entry(entry)
        predecessors = self.baseline.predecessors_of(entry.name) if self.baseline else []
        if not predecessors:
            return Comparison(now=now, then=None)
        if unchanged:
            return Comparison(now=now, then=to_metrics(predecessors[0]))
        lost, won = find_flips(self.observe(entry), predecessors[0])
        return Comparison(now=now, then=to_metrics(predecessors[0]), lost=lost, won=won)

    def _find_gone(self, entries: list[Entry]) -> list[BaselineEntry]:
        """Entries of the baseline that nothing follows; none where only some are judged."""
        if self.baseline is None or len(entries) < len(self.zoo):
            return []
        followed = {was.name for name in self.zoo for was in self.baseline.predecessors_of(name)}
        return [was for name, was in self.baseline.entries.items() if name not in followed]


def check_gate(name: str) -> None:
    """Raises `UsageError` for an unknown gate."""
    if name not in GATES:
        raise UsageError(f"no gate {name!r}{suggest(name, GATES)}; there are {', '.join(GATES)}")


def explain(gate: str) -> dict[str, str]:
    """What the gate's docstring says, under "Judges", "Why", "Fails" and "Passes".

    Raises `UsageError` for an unknown gate.
    """
    check_gate(gate)
    text = inspect.getdoc(GATES[gate]) or ""
    first, *rest = re.split(r"\n(?=(?:Why|Fails|Passes): )", text)
    parts = {"Judges": " ".join(first.split())}
    for part in rest:
        label, _, words = " ".join(part.split()).partition(": ")
        parts[label] = words
    return parts
