"""A check in parts: which entries a shard judges, and all shards' verdicts put together."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import msgspec

from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.errors import ShardError, UsageError
from torchbudget.evidence.results import Run, evidence_of
from torchbudget.reading import reading
from torchbudget.report.basis import Basis
from torchbudget.report.formats import Report, from_json
from torchbudget.report.shard import Shard
from torchbudget.report.verdict import exit_code

OVERHEAD = 2e9
"""Multiply-adds that take as long as the gates that measure no images, about: a second."""


def choose_entries(
    entries: Sequence[Entry], runs: list[Run], number: int, count: int
) -> list[Entry]:
    """The entries that shard `number` (from 1) of `count` judges, in the order of `entries`.

    Each entry is in one shard. The costliest is given to the shard with the least to do, and so on;
    the cost is counted from the record. Raises `UsageError` for more shards than entries.
    """
    if count > len(entries):
        raise UsageError(f"{count} shards of {len(entries)} entries: ask for as many or fewer")
    costs = {entry.name: estimate_cost(entry, runs) for entry in entries}
    loads = [0.0] * count
    chosen: list[Entry] = []
    for entry in sorted(entries, key=lambda entry: (-costs[entry.name], entry.name)):
        shard = loads.index(min(loads))
        loads[shard] += costs[entry.name]
        if shard == number - 1:
            chosen.append(entry)
    return [entry for entry in entries if entry in chosen]


def estimate_cost(entry: Entry, runs: list[Run]) -> float:
    """Multiply-adds that measuring the entry takes, as recorded, and those of the other gates."""
    measured = list(evidence_of(entry, runs).values())
    if isinstance(entry, Ensemble) and not entry.views:
        found = [evidence_of(member, runs).get(seed) for member, seed in entry.member_runs]
        measured = [run for run in found if run is not None]
    return OVERHEAD + sum(
        run.multiply_adds * max(1, len(run.views)) * (run.test.total + run.val_images)
        for run in measured
    )


def describe_shard(
    number: int, count: int, entries: Iterable[Entry], gates: Sequence[str], files: Sequence[Path]
) -> Shard:
    """What the report of a shard says of it.

    `entries` are those of all shards, `files` what they judge.
    """
    sha = hashlib.sha256()
    for file in files:
        sha.update(hashlib.sha256(file.read_bytes() if file.is_file() else b"").digest())
    return Shard(
        number=number,
        count=count,
        entries=[entry.name for entry in entries],
        gates=list(gates),
        judged=sha.hexdigest(),
    )


def read_shard(path: Path) -> tuple[Shard, Report]:
    """Raises `ShardError` for what is no report of a shard."""
    problem = "is no report that check --shard --json wrote"
    with reading(path, ShardError, problem, "run the shard again"):
        report = from_json(path.read_bytes())
        if report.shard is None:
            raise ShardError(f"{path} {problem}: run the shard again")
    return report.shard, report


def merge_shards(paths: Sequence[Path]) -> tuple[Report, list[str]]:
    """The report of all shards, as one check would give it.

    Then the rules of the confinement that some shard could not enforce. Raises `ShardError` where a
    shard is missing, there twice, or left something out, and where two of them judged different
    files.
    """
    read = [read_shard(path) for path in paths]
    first, _ = read[0]
    reports: dict[int, Report] = {}
    for path, (shard, report) in zip(paths, read, strict=True):
        if replace(shard, number=first.number) != first:
            raise ShardError(f"{path} and {paths[0]} judged other files, entries or gates")
        if shard.number in reports:
            raise ShardError(f"shard {shard.number} is there twice: {path}")
        reports[shard.number] = report
    for number in range(1, first.count + 1):
        if number not in reports:
            again = f"run it again: --shard {number}/{first.count}"
            raise ShardError(f"shard {number} of {first.count} is missing; {again}")
    parts = [reports[number] for number in sorted(reports)]
    verdicts = [verdict for part in parts for verdict in part.verdicts]
    judged = {(verdict.entry, verdict.gate) for verdict in verdicts}
    for entry, gate in product(first.entries, first.gates):
        if (entry, gate) not in judged:
            raise ShardError(f"no shard judged {gate} of {entry}: check again")
    places = {name: place for place, name in enumerate(first.entries)}
    distinct = {msgspec.json.encode(verdict): verdict for verdict in verdicts}
    ordered = sorted(distinct.values(), key=lambda verdict: places.get(verdict.entry, len(places)))
    compared = [comparison for part in parts for comparison in part.comparisons]
    merged = Report(
        schema=parts[0].schema,
        exit_code=exit_code(ordered),
        verdicts=ordered,
        figures=sorted(
            (entry for part in parts for entry in part.figures),
            key=lambda entry: places[entry.entry],
        ),
        basis=merge_bases([part.basis for part in parts]),
        base=parts[0].base,
        comparisons=sorted(
            compared, key=lambda comparison: places.get(comparison.entry, len(places))
        ),
    )
    confinements = [part.confinement for part in parts]
    allowed = {rule for rules in confinements if rules for rule in rules.get("allowed", ())}
    return merged, sorted(allowed)


def merge_bases(bases: Sequence[Basis | None]) -> Basis | None:
    """What the verdicts of all shards rest on; None where judge or commit are not one."""
    known = [basis for basis in bases if basis is not None]
    if len(known) < len(bases) or len({(basis.commit, basis.judge) for basis in known}) != 1:
        return None
    entries = [entry for basis in known for entry in basis.entries]
    return replace(known[0], entries=entries)
