"""No edit of a record passes: each field is computed by a gate that names it, or is claimed."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tampering import leaves
from untrained import make_zoo, observe

from torchbudget.evidence.results import Epoch, Results, Run, evidence_of, read_results, seal
from torchbudget.gates import GATES, judge
from torchbudget.gates.fields import CLAIMED, COMPUTED, find_gate
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status

NAMES = [*Run.__struct_fields__, *(f"history.{name}" for name in Epoch.__struct_fields__)]


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return make_zoo(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def seen(kept) -> Observation:
    return observe(kept)


def see_others(seen: Observation, runs: list[Run]) -> Observation:
    """What was observed with other runs in the record; nothing is measured again."""
    other = copy.copy(seen)
    other.runs = [run for run in runs if run.entry == seen.entry.name]
    other.evidence = evidence_of(seen.entry, runs)
    other.sources = replace(seen.sources, runs=runs)
    return other


def name_field(path: tuple) -> str:
    """The field of a run in which the value at `path` stands."""
    words = [str(part) for part in path if isinstance(part, str)]
    return ".".join(words[:2]) if words[0] in ("history", "digests") else words[0]


def test_every_field_is_computed_by_a_gate_or_claimed():
    for name in NAMES:
        gate = find_gate(name)
        assert gate in GATES or name in CLAIMED
    assert not CLAIMED.keys() & COMPUTED.keys() and set(COMPUTED.values()) <= set(GATES)
    with pytest.raises(KeyError):
        find_gate("beauty")


def test_the_record_as_it_is_passes_every_gate_that_computes_a_field(seen):
    for gate in set(COMPUTED.values()):
        assert judge(gate, seen.entry, seen).status is Status.PASS


def draw_other(data, old):
    """Another value of the kind of `old`."""
    kinds = {
        bool: st.just(not old),
        int: st.integers(0, 2 * old + 9) if isinstance(old, int) else None,
        float: st.floats(0, 9, allow_nan=False),
        str: st.sampled_from(["0" * 64, "", "tiny", "SGD"]),
        type(None): st.integers(0, 9),
    }
    return data.draw(kinds[type(old)].filter(lambda value: value != old))


def test_no_edit_of_a_computed_field_passes_the_gate_that_computes_it(kept, seen):
    runs = read_results(kept / "results.json")
    plain = msgspec.to_builtins(runs[0])
    by_field: dict[str, list] = {}
    for leaf in leaves(plain):
        by_field.setdefault(name_field(leaf[0]), []).append(leaf)
    computed = [field for field in by_field if find_gate(field)]
    caught = set()

    @given(st.sampled_from(computed), st.data())
    def law(field, data):
        path, old = data.draw(st.sampled_from(by_field[field]))
        document = json.loads(json.dumps(plain))
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = draw_other(data, old)
        try:
            edited = msgspec.convert(document, Run)
        except msgspec.ValidationError:
            return  # refused on reading
        edited = edited if field == "seal" else seal(edited)
        if edited.stem == runs[1].stem:
            return  # refused on reading: two runs of one name
        gate = find_gate(field)
        verdict = judge(gate, seen.entry, see_others(seen, [edited, runs[1]]))
        assert verdict.status is Status.FAIL, (path, holder[path[-1]])
        caught.add(gate)

    law()
    assert caught == set(COMPUTED.values())


def test_no_field_can_be_added_to_a_run(kept):
    runs = msgspec.to_builtins(read_results(kept / "results.json"))
    runs[0]["beauty"] = 1
    with pytest.raises(msgspec.ValidationError, match="beauty"):
        msgspec.convert({"schema": 1, "runs": runs}, Results)


@pytest.mark.parametrize("value", [None, 0, "", [], {}])
@pytest.mark.parametrize("place", [(), ("optimizer",), ("schedule",), ("augment", 0)])
def test_no_field_can_be_added_to_a_recipe(kept, seen, place, value):
    runs = read_results(kept / "results.json")
    recipe = copy.deepcopy(runs[0].recipe)
    holder = recipe
    for key in place:
        holder = holder[key]
    holder["beauty"] = value
    edited = seal(msgspec.structs.replace(runs[0], recipe=recipe))
    verdict = judge("chain", seen.entry, see_others(seen, [edited, runs[1]]))
    assert verdict.status is Status.FAIL and "beauty" in verdict.observed
