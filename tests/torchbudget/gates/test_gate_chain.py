"""Claim and chain: which images flipped, which link broke, and that no edit of a record passes."""

import copy
import json
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tampering import leaves, write_canonical
from untrained import change, make_zoo, observe, read_entry

from torchbudget.data.images import as_floats
from torchbudget.declare.entry import Entry
from torchbudget.errors import ResultsError
from torchbudget.evidence.measure import predictions_digest
from torchbudget.evidence.results import Run, read_results
from torchbudget.evidence.weights import load_shipped
from torchbudget.gates import judge
from torchbudget.gates.chain import judge_chain
from torchbudget.gates.claim import find_contradictions, find_flips, judge_claim, reproduce
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    return make_zoo(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def entry(kept) -> Entry:
    return read_entry(kept)


@pytest.fixture(scope="module")
def runs(kept) -> list[Run]:
    return read_results(kept / "results.json")


# --- which images flipped -------------------------------------------------------------------------


def flipped(run: Run, seen: Observation, count: int) -> Run:
    """The run as if it had been right about `count` images that it missed; all fields agree."""
    found = seen.measure(run.seed)
    gone = list(run.missed)[:count]
    recorded, confusion = found.predictions.clone(), [list(row) for row in run.confusion]
    for index in gone:
        true = int(found.labels[int(index)])
        recorded[int(index)] = true
        confusion[true][run.missed[index]] -= 1
        confusion[true][true] += 1
    return change(
        run,
        missed={index: digit for index, digit in run.missed.items() if index not in gone},
        confusion=confusion,
        test=msgspec.structs.replace(run.test, misses=run.test.misses - count),
        digests=msgspec.structs.replace(run.digests, predictions=predictions_digest(recorded, 10)),
    )


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_no_name_of_other_hardware_excuses_a_flip(kept, entry, runs, count, elsewhere):
    claimed = flipped(runs[0], observe(kept, runs), count)
    if elsewhere:
        hardware = msgspec.structs.replace(claimed.hardware, device="another")
        claimed = change(claimed, hardware=hardware)
    verdict = judge_claim(entry, observe(kept, [claimed, runs[1]]))
    assert verdict.status == (Status.FAIL if count else Status.PASS)
    assert bool(verdict.details) == bool(count) and all(
        "right on record, missed here: #" in line for line in verdict.details
    )


@pytest.mark.parametrize(("share", "excused"), [(0.99, False), (1.01, True)])
def test_a_flip_is_excused_elsewhere_where_its_logits_are_within_the_margin(
    kept, entry, runs, share, excused
):
    seen = observe(kept, runs)
    claimed = flipped(runs[0], seen, 1)
    found = reproduce(seen, runs[0])
    ((index, was, now),) = find_flips(claimed, found.test)
    logits = found.test.logits[index]
    gap = float((logits[was] - logits[now]).abs() / logits.abs().max())
    found = replace(found, margin=share * gap)
    flips = find_flips(claimed, found.test)
    reasons = list(find_contradictions(claimed, found, flips, ("another", "torch")))
    assert (reasons == []) == excused
    assert list(find_contradictions(claimed, found, flips, seen.platform))


def test_the_margin_is_wider_than_what_rounding_makes_of_logits(kept, entry, runs):
    seen = observe(kept, runs)
    network = load_shipped(entry, 0, kept / "weights")
    images = seen.image.normalise(as_floats(seen.dataset.test.pixels[:200]))
    with torch.no_grad():
        rounded = network(images)
        exact = copy.deepcopy(network).double()(images.double())
    spread = float(((rounded - exact).abs() / exact.abs().amax(1, keepdim=True)).max())
    assert 2 * spread < reproduce(seen, runs[0]).margin < 1e-3


def test_a_long_list_of_flips_is_cut_at_twenty_and_counted(kept, entry, runs):
    (line,) = judge_claim(
        entry, observe(kept, [flipped(runs[0], observe(kept, runs), 27), runs[1]])
    ).details
    assert line.count("#") == 20 and line.endswith("and 7 more")


def test_a_record_that_disagrees_with_itself_fails_on_any_hardware(kept, entry, runs):
    claimed = flipped(runs[0], observe(kept, runs), 1)
    claimed = change(
        claimed,
        digests=runs[0].digests,
        hardware=msgspec.structs.replace(claimed.hardware, device="another"),
    )
    assert judge_claim(entry, observe(kept, [claimed, runs[1]])).status is Status.FAIL


# --- the chain ------------------------------------------------------------------------------------


def test_each_broken_link_has_its_own_line_with_file_and_command(kept, entry, runs):
    entry = replace(entry, recipe=replace(entry.recipe, epochs=7))
    runs = [msgspec.structs.replace(run, commit="edited") for run in runs]
    verdict = judge_chain(entry, observe(kept, runs, entry))
    assert len(verdict.details) == 4 and verdict.difference == "STALE"
    assert (
        "results.json" in verdict.details[0]
        and "recipe.epochs: 2 recorded, 7" in verdict.details[2]
    )
    assert [line.rsplit(": ", 1)[1] for line in verdict.details] == [
        f"torchbudget record tiny --seed {seed} --weights FILE" for seed in (0, 1, 0, 1)
    ]


@pytest.mark.parametrize(
    "changes", [{"overrides": ["epochs=1"]}, {"dataset": "mnist"}, {"seed": 9}]
)
def test_a_record_that_is_no_evidence_must_be_sealed_too(kept, entry, runs, changes):
    extra = change(runs[0], **changes)
    assert judge_chain(entry, observe(kept, [*runs, extra])).status is Status.PASS
    verdict = judge_chain(entry, observe(kept, [*runs, msgspec.structs.replace(extra, steps=1)]))
    assert (
        verdict.status is Status.FAIL
        and extra.stem in verdict.observed
        and verdict.remedy == "restore results.json from git"
    )


def test_a_broken_link_fails_even_where_another_cannot_be_measured(kept, entry, runs):
    assert judge("chain", entry, observe(kept, runs[:1])).status is Status.NOT_RUN
    assert (
        judge(
            "chain", entry, observe(kept, [msgspec.structs.replace(runs[0], commit="edited")])
        ).status
        is Status.FAIL
    )


def test_any_edit_of_a_value_of_the_record_fails(kept, entry, runs, tmp_path):
    text = (kept / "results.json").read_text()
    every = list(leaves(json.loads(text)))
    values = (
        st.none()
        | st.booleans()
        | st.integers(-5, 10**6)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=8)
    )

    @given(st.sampled_from(every), values)
    def law(leaf, value):
        (path, old), document = leaf, json.loads(text)
        if (type(old), old) == (type(value), value) or (
            type(old) in (int, float) and type(value) in (int, float) and old == value
        ):
            return
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        holder[path[-1]] = value
        (tmp_path / "results.json").write_text(write_canonical(document))
        try:
            runs = read_results(tmp_path / "results.json")
        except ResultsError:
            return
        assert {run.entry for run in runs} != {"tiny"} or judge(
            "chain", entry, observe(kept, runs)
        ).status is Status.FAIL

    law()
