"""Judging a zoo file: the one engine behind the command line and the pytest plugin."""

import functools
import inspect
from collections.abc import Iterator
from pathlib import Path

from gates import GATES, judge
from gates.observation import Observation
from utils.data import load_dataset
from utils.entry import Entry
from utils.evidence import Run, read_results
from utils.figures import Figures
from utils.structure import count_multiply_adds, count_params
from utils.verdict import Status, Verdict
from utils.zoofile import ZooError, load_zoo, locate


class Engine:
    """A zoo file, its record and its weights; what is observed of an entry is shared by all its gates.

    `platform` names where this process measures. Raises `ZooError` and `EvidenceError`.
    """

    def __init__(self, path: Path, platform: tuple[str, ...], results: Path | None = None, weights: Path | None = None, data_root: Path | None = None) -> None:
        self.path = path
        self.zoo = load_zoo(path)
        self.runs = read_results(results or path.parent / "results.json")
        self._weights, self._platform = weights or path.parent / "weights", platform
        self._load = functools.cache(lambda name: load_dataset(name, data_root))
        self._observations: dict[str, Observation] = {}

    def observe(self, entry: Entry) -> Observation:
        if entry.name not in self._observations:
            self._observations[entry.name] = Observation(entry, self.runs, self._weights, self._load, self._platform)
        return self._observations[entry.name]

    def judge(self, entry: Entry, gate: str) -> Verdict:
        """The verdict of one gate on one entry, with its place in the zoo file."""
        return self._place(judge(gate, entry, self.observe(entry)))

    def judge_zoo(self, entries: list[Entry], gates: list[str]) -> Iterator[Verdict]:
        """A verdict for each entry and gate, entry by entry; where the whole zoo is judged, of what stands beside it too."""
        for entry in entries:
            for gate in gates:
                yield self.judge(entry, gate)
        if len(entries) == len(self.zoo) and "chain" in gates:
            yield from self.judge_orphans()

    def judge_orphans(self) -> Iterator[Verdict]:
        """A failure for each entry of which there are runs but which the zoo no longer declares."""
        for name in sorted({run.entry for run in self.runs} - set(self.zoo)):
            yield Verdict(
                gate="chain",
                status=Status.FAIL,
                entry=name,
                observed=f"{sum(run.entry == name for run in self.runs)} runs recorded, no such entry",
                expected="every run belongs to an entry of the zoo",
                remedy="bring the entry back, or remove its runs and weights in a commit that says so",
            )

    def figures(self, entry: Entry) -> Figures:
        """The numbers behind the verdicts: the network as built, and those seeds that a gate has measured."""
        seen = self.observe(entry)
        measured = dict(sorted(seen.measurements.items()))
        try:
            size = {"params": count_params(seen.network), "multiply_adds": count_multiply_adds(seen.network)}
        except (Exception, SystemExit):  # whatever forward raises; the gates have said so
            size = {}
        return Figures(
            entry=entry.name,
            total=next((found.total for found in measured.values()), None),
            misses={seed: found.misses for seed, found in measured.items()},
            missed={seed: sorted(found.missed) for seed, found in measured.items()},
            **size,
        )

    def _place(self, verdict: Verdict) -> Verdict:
        return verdict.of(where=locate(self.path, verdict.entry, verdict.field))


def recorded_figures(entry: Entry, runs: list[Run]) -> Figures:
    """What the record of another commit claims of `entry`; nothing there is measured."""
    found = {run.seed: run for run in runs if run.entry == entry.name}
    first = next(iter(found.values()), None)
    return Figures(
        entry=entry.name,
        params=first and first.params,
        multiply_adds=first and first.multiply_adds,
        total=first and first.test.total,
        misses={seed: run.test.misses for seed, run in found.items()},
    )


def select_gates(only: str) -> list[str]:
    """The gates named in "a,b", or all; raises `ZooError` for an unknown one."""
    names = [name.strip() for name in only.split(",")] if only else list(GATES)
    for name in names:
        if name not in GATES:
            raise ZooError(f"no gate {name!r}; there are {', '.join(GATES)}")
    return names


def explain(gate: str) -> dict[str, str]:
    """What the gate's docstring says, under "Judges", "Why", "Fails" and "Passes"; raises `ZooError` for an unknown gate."""
    select_gates(gate)
    first, *rest = [" ".join(paragraph.split()) for paragraph in inspect.getdoc(GATES[gate]).split("\n\n")]
    return {"Judges": first} | dict(paragraph.split(": ", 1) for paragraph in rest if paragraph.startswith(("Why: ", "Fails: ", "Passes: ")))
