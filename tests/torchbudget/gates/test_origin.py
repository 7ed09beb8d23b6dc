"""Whether a failure was there at the base: by sizes, record and sameness, and never guessed."""

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from untrained import build_here, change, make_zoo, observe, read_entry

from torchbudget.declare.budget import Budget, Dropout
from torchbudget.declare.entry import Entry, describe
from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import Run, read_results
from torchbudget.gates import judge
from torchbudget.gates.baseline import Baseline, BaselineEntry, add_record, measure_entry
from torchbudget.gates.inspections import Inspections
from torchbudget.gates.origin import find_origin
from torchbudget.report.verdict import Origin, Status

HERE, INHERITED, UNKNOWN = Origin.CAUSED_HERE, Origin.INHERITED, Origin.UNKNOWN
IMPOSSIBLE = {
    "max_params": 10,
    "max_epochs": 1,
    "max_misses": 0,
    "max_multiply_adds": 1,
    "seeds": 2,
    "requires": (Dropout(least=5),),
}


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return make_zoo(tmp_path_factory.mktemp("kept"))


def measure(entry: Entry) -> BaselineEntry:
    return measure_entry(entry, Inspections(build_here(entry)))


@pytest.fixture(scope="module")
def measured(kept):
    """The entry's network as it is measured at the base, once for all tests."""
    return measure(read_entry(kept))


def make_baseline(kept: Path, measured, budget: Budget, runs: list[Run] | None = None) -> Baseline:
    """The baseline of the zoo as it is, with this budget and record there."""
    entry = replace(read_entry(kept), budget=budget)
    declared = measure(entry) if budget.max_multiply_adds else measured
    declared = replace(declared, budget=describe(entry.budget))
    runs = read_results(kept / "results.json") if runs is None else runs
    weights = {path.name: file_digest(path) for path in (kept / "weights").iterdir()}
    was = add_record(declared, {entry.name: declared}, runs)
    return Baseline(commit="0" * 40, entries={entry.name: was}, weights=weights)


def origins(
    kept: Path, entry: Entry, baseline: Baseline, gates: str, runs: list[Run] | None = None
) -> dict:
    """The origin of each failure of the entry now, by these gates."""
    now = observe(kept, runs, entry=entry)
    verdicts = [judge(gate, entry, now) for gate in gates.split()]
    return {
        verdict.gate: find_origin(verdict, baseline, now)
        for verdict in verdicts
        if verdict.status is Status.FAIL
    }


def test_what_failed_at_the_base_is_inherited_and_what_passed_there_was_caused_here(kept, measured):
    good = read_entry(kept)
    bad = replace(good, budget=Budget(**IMPOSSIBLE))
    gates = "params structure cost epochs accuracy"
    failing = gates.split()
    unchanged = origins(kept, bad, make_baseline(kept, measured, bad.budget), gates)
    assert unchanged == dict.fromkeys(failing, INHERITED)
    changed = origins(kept, bad, make_baseline(kept, measured, good.budget), gates)
    assert changed == dict.fromkeys(failing, HERE) | {"structure": UNKNOWN}


def test_a_failure_of_a_new_entry_was_caused_here(kept, measured):
    good = read_entry(kept)
    baseline = replace(make_baseline(kept, measured, good.budget), entries={})
    bad = replace(good, budget=Budget(**IMPOSSIBLE))
    assert set(origins(kept, bad, baseline, "params cost").values()) == {HERE}


def test_a_record_that_was_changed_here_is_told_from_one_that_was_broken_before(kept, measured):
    good = read_entry(kept)
    runs = read_results(kept / "results.json")
    broken = [change(runs[0], steps=1, test_reads=1), runs[1]]
    was_good = make_baseline(kept, measured, good.budget)
    was_broken = make_baseline(kept, measured, good.budget, broken)
    assert origins(kept, good, was_good, "epochs history", broken) == {
        "epochs": HERE,
        "history": UNKNOWN,
    }
    assert origins(kept, good, was_broken, "epochs history", broken) == {
        "epochs": INHERITED,
        "history": INHERITED,
    }


def test_the_chain_is_judged_at_the_base_by_its_seals_and_digests(kept, measured):
    good = read_entry(kept)
    runs = read_results(kept / "results.json")
    other = change(runs[0], digests=msgspec.structs.replace(runs[0].digests, weights="0" * 64))
    was_good = make_baseline(kept, measured, good.budget)
    was_broken = make_baseline(kept, measured, good.budget, [other, runs[1]])
    assert origins(kept, good, was_good, "chain", [other, runs[1]])["chain"] is HERE
    assert origins(kept, good, was_broken, "chain", [other, runs[1]])["chain"] is INHERITED
    unsettled = replace(was_good, weights={})
    assert origins(kept, good, unsettled, "chain", [other, runs[1]])["chain"] is UNKNOWN


def test_a_claim_is_judged_at_the_base_by_the_measurement_of_the_same_weights(kept, measured):
    good = read_entry(kept)
    runs = read_results(kept / "results.json")
    index, digit = next(iter(runs[0].missed.items()))
    missed = {**runs[0].missed, index: (digit + 1) % 10}
    lie = change(runs[0], missed=missed)
    was_good = make_baseline(kept, measured, good.budget)
    was_lying = make_baseline(kept, measured, good.budget, [lie, runs[1]])
    assert origins(kept, good, was_good, "claim", [lie, runs[1]])["claim"] is HERE
    assert origins(kept, good, was_lying, "claim", [lie, runs[1]])["claim"] is INHERITED


def test_seeds_are_judged_at_the_base_by_the_record(kept, measured):
    good = read_entry(kept)
    more = replace(good, budget=replace(good.budget, seeds=3))
    was_good = make_baseline(kept, measured, good.budget)
    was_more = make_baseline(kept, measured, more.budget)
    assert origins(kept, more, was_good, "seeds")["seeds"] is HERE
    assert origins(kept, more, was_more, "seeds")["seeds"] is INHERITED


def test_what_could_not_be_measured_at_the_base_is_unknown(kept, measured):
    bad = replace(read_entry(kept), budget=Budget(**IMPOSSIBLE))
    baseline = make_baseline(kept, measured, bad.budget, [])
    was = replace(baseline.entries["tiny"], params=0, network="", late=None, error="it broke")
    baseline = replace(baseline, entries={"tiny": replace(was, costs={})})
    assert set(origins(kept, bad, baseline, "params cost epochs").values()) == {UNKNOWN}


def test_an_orphan_of_the_base_is_inherited(kept, measured):
    entry = load_zoo(kept / "zoo.py")["tiny"]
    orphan = judge("params", replace(entry, name="gone"), observe(kept))
    baseline = make_baseline(kept, measured, entry.budget)
    assert find_origin(orphan, baseline, None) is HERE
    recorded = replace(baseline, recorded=frozenset({"gone"}))
    assert find_origin(orphan, recorded, None) is INHERITED
