"""Judging a zoo file: the one engine behind the command line and the pytest plugin."""

import contextlib
import difflib
import functools
import inspect
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_dataset
from torchbudget.data.spec import DataSpec
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo, locate
from torchbudget.errors import UsageError
from torchbudget.evidence.machine import platform_id
from torchbudget.evidence.results import read_results
from torchbudget.gates import GATES, WITHOUT_BASELINE, judge
from torchbudget.gates.baseline import Baseline, BaselineEntry, read_baseline
from torchbudget.gates.observation import TRAIN_COMMAND, Inspections, Observation, Sources
from torchbudget.gates.ratchet import judge_against_baseline
from torchbudget.gates.waivers import WAIVERS_FILE, apply_waivers, read_waivers
from torchbudget.reading import follow_links
from torchbudget.report.metrics import Metrics
from torchbudget.report.verdict import Status, Verdict


class Engine:
    """A zoo file with its record, weights and waivers, and the baseline it is compared with.

    What is observed of an entry is shared by its gates. `results` and `weights` are beside the zoo
    file by default. `train_command` renews a run, with {entry} and {seed} in it. Raises a
    `UsageError` where a file cannot be read.
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
    ) -> None:
        self.path = path
        self.zoo = load_zoo(path)
        folder = follow_links(path).parent

        @functools.cache
        def load(spec: DataSpec) -> Dataset:
            return load_dataset(spec, data_root, folder)

        self._sources = Sources(
            runs=read_results(results or folder / "results.json"),
            weights=weights or folder / "weights",
            load=load,
            platform=platform_id(),
            baseline=None if base is None else read_baseline(base, path),
            train_command=train_command or TRAIN_COMMAND,
        )
        self._waivers = read_waivers(folder / WAIVERS_FILE)
        self._observations: dict[str, Observation] = {}
        self._inspections = Inspections()

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

    def judge_zoo(self, entries: list[Entry], gates: list[str]) -> list[Verdict]:
        """A verdict for each entry and gate, entry by entry, waivers applied.

        Then those on what is beside them: runs of no entry, weakened budgets, void waivers.
        """
        verdicts = []
        for number, entry in enumerate(entries, start=1):
            observation = self.observe(entry)
            verdicts += [judge(gate, entry, observation) for gate in gates]
            self.measure_entry(entry)  # what is shown of it, while its network is still here
            self._inspections.release_all_but(entries[number:])
        if "chain" in gates and len(entries) == len(self.zoo):
            verdicts += self._judge_orphans()
        if "ratchet" in gates and self.baseline:
            names = [entry.name for entry in entries]
            verdicts += judge_against_baseline(self.zoo, self.baseline, self._waivers, names)
        return self._waive(verdicts)

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
        with contextlib.suppress(Exception, SystemExit):  # the gates have said what is wrong
            params, multiply_adds = observation.size
        return Metrics(
            entry=entry.name,
            params=params,
            multiply_adds=multiply_adds,
            total=next((measurement.total for measurement in measured.values()), None),
            misses={seed: measurement.misses for seed, measurement in measured.items()},
            missed={seed: sorted(measurement.missed) for seed, measurement in measured.items()},
        )

    def measure_baseline(self) -> list[Metrics]:
        """The baseline's sizes, and the misses that its record claims; empty without one."""
        entries = self.baseline.entries.values() if self.baseline else ()
        return [to_metrics(entry) for entry in entries]


def to_metrics(entry: BaselineEntry) -> Metrics:
    """The numbers of an entry at the baseline, without its sizes where they were not measured."""
    if entry.error:
        return Metrics(entry=entry.name, misses=entry.misses)
    return Metrics(
        entry=entry.name,
        params=entry.params,
        multiply_adds=entry.multiply_adds,
        misses=entry.misses,
    )


def check_gate(name: str) -> None:
    """Raises `UsageError` for an unknown gate."""
    if name not in GATES:
        close = difflib.get_close_matches(name, GATES, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise UsageError(f"no gate {name!r}{hint}; there are {', '.join(GATES)}")


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
