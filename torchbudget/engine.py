"""Judging a zoo file: the one engine behind the command line and the pytest plugin."""

import functools
import inspect
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from torchbudget.data.loading import load_dataset
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo, locate
from torchbudget.errors import BaselineError, ResultsError, WaiverError, ZooError
from torchbudget.evidence.results import read_results
from torchbudget.gates import GATES, WITHOUT_BASE, judge
from torchbudget.gates.baseline import read_baseline
from torchbudget.gates.observation import Inspections, Observation
from torchbudget.gates.ratchet import judge_against_base
from torchbudget.gates.waivers import apply_waivers, read_waivers
from torchbudget.report.metrics import Metrics
from torchbudget.report.verdict import Status, Verdict

UNUSABLE = (ZooError, ResultsError, WaiverError, BaselineError)
"""What says that there is nothing to judge: wrong usage, or a file that cannot be read."""


class Engine:
    """A zoo file with its record, weights and waivers, and the base it is compared with; what is observed of an entry is shared by its gates.

    `platform` names where this process measures. Raises one of `UNUSABLE`.
    """

    def __init__(
        self,
        path: Path,
        platform: tuple[str, ...],
        *,
        results: Path | None = None,
        weights: Path | None = None,
        data_root: Path | None = None,
        base: str | None = None,
    ) -> None:
        self.path = path
        self.zoo = load_zoo(path)
        self.base = None if base is None else read_baseline(base, path)
        self._runs, self._waivers = (
            read_results(results or path.parent / "results.json"),
            read_waivers(path.parent / "waivers.toml"),
        )
        self._weights, self._platform = weights or path.parent / "weights", platform
        self._load = functools.cache(lambda name: load_dataset(name, data_root))
        self._observations: dict[str, Observation] = {}
        self._inspections = Inspections()

    def select_gates(self, only: str = "") -> list[str]:
        """The gates named in "a,b", or all that this engine can run; raises `ZooError` for one that it cannot."""
        able = list(GATES if self.base else WITHOUT_BASE)
        names = [name.strip() for name in only.split(",")] if only else able
        for name in names:
            check_gate(name)
            if name not in able:
                raise ZooError(f"gate {name} compares with a base: give --base REF")
        return names

    def observe(self, entry: Entry) -> Observation:
        if entry.name not in self._observations:
            shared = {"base": self.base, "observe": self.observe, "inspections": self._inspections}
            self._observations[entry.name] = Observation(
                entry, self._runs, self._weights, self._load, self._platform, **shared
            )
        return self._observations[entry.name]

    def judge_zoo(self, entries: list[Entry], gates: list[str]) -> list[Verdict]:
        """A verdict for each entry and gate, entry by entry, then on what stands beside them, waivers applied."""
        verdicts = []
        for number, entry in enumerate(entries, start=1):
            observation = self.observe(entry)
            verdicts += [judge(gate, entry, observation) for gate in gates]
            self.figures(entry)  # what is shown of it later, while its network is still here
            self._inspections.release_all_but(entries[number:])
        if "chain" in gates and len(entries) == len(self.zoo):
            verdicts += self._judge_orphans()
        if "ratchet" in gates and self.base:
            verdicts += judge_against_base(
                self.zoo, self.base, self._waivers, [entry.name for entry in entries]
            )
        return self._waive(verdicts)

    def judge(self, entry: Entry, gate: str) -> list[Verdict]:
        """The verdict of one gate on one entry, and on a waiver of it that is no longer needed."""
        void = self._waive([])
        return [
            verdict
            for verdict in self._waive([judge(gate, entry, self.observe(entry))])
            if verdict not in void
        ]

    def judge_rest(self) -> list[Verdict]:
        """What `judge` leaves out: runs of no entry, and void waivers."""
        return self._waive(list(self._judge_orphans()))

    def _judge_orphans(self) -> Iterator[Verdict]:
        """A failure for each entry of which there are runs but which the zoo no longer declares."""
        for name in sorted({run.entry for run in self._runs} - set(self.zoo)):
            yield Verdict(
                gate="chain",
                status=Status.FAIL,
                entry=name,
                observed=f"{sum(run.entry == name for run in self._runs)} runs recorded, no such entry",
                expected="every run belongs to an entry of the zoo",
                remedy="bring the entry back, or remove its runs and weights in a commit that says so",
            )

    def _waive(self, verdicts: list[Verdict]) -> list[Verdict]:
        """The verdicts after the waivers, each with its place."""
        known = [*self.zoo, *(self.base.entries if self.base else ())]
        waived = apply_waivers(
            verdicts, self._waivers, datetime.now(UTC).date(), entries=known, gates=list(GATES)
        )
        return [
            verdict.of(where=verdict.where or locate(self.path, verdict.entry, verdict.field))
            for verdict in waived
        ]

    def figures(self, entry: Entry) -> Metrics:
        """The numbers behind the verdicts: the network as built, and those seeds that a gate has measured."""
        seen = self.observe(entry)
        measured = dict(sorted(seen.measurements.items()))
        try:
            params, multiply_adds = seen.size
        except (Exception, SystemExit):  # whatever forward raises; the gates have said so
            params = multiply_adds = None
        return Metrics(
            entry=entry.name,
            params=params,
            multiply_adds=multiply_adds,
            total=next((found.total for found in measured.values()), None),
            misses={seed: found.misses for seed, found in measured.items()},
            missed={seed: sorted(found.missed) for seed, found in measured.items()},
        )

    def base_figures(self) -> list[Metrics]:
        """The base's sizes, and the misses that its record claims; empty without a base."""
        found = self.base.entries.values() if self.base else ()
        return [
            Metrics(
                entry=each.name,
                params=each.params,
                multiply_adds=each.multiply_adds,
                misses=each.misses,
            )
            if not each.error
            else Metrics(entry=each.name, misses=each.misses)
            for each in found
        ]


def check_gate(name: str) -> None:
    """Raises `ZooError` for an unknown gate."""
    if name not in GATES:
        raise ZooError(f"no gate {name!r}; there are {', '.join(GATES)}")


def explain(gate: str) -> dict[str, str]:
    """What the gate's docstring says, under "Judges", "Why", "Fails" and "Passes"; raises `ZooError` for an unknown gate."""
    check_gate(gate)
    first, *rest = [
        " ".join(part.split())
        for part in re.split(r"\n(?=(?:Why|Fails|Passes): )", inspect.getdoc(GATES[gate]))
    ]
    return {"Judges": first} | dict(part.split(": ", 1) for part in rest)
