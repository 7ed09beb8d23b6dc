"""The base that is read from git, never from the working tree, and a zoo judged against it."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tampering import edit
from untrained import make_zoo, observe

from torchbudget.declare.budget import Slack
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import BaselineError, Unmeasurable
from torchbudget.evidence.results import read_results
from torchbudget.gates.baseline import Baseline, read_baseline
from torchbudget.gates.observation import Observation
from torchbudget.gates.ratchet import judge_against_baseline, judge_ratchet
from torchbudget.gates.waivers import read_waivers
from torchbudget.report.verdict import Status


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *identity, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Path:
    """The zoo as it is at the base."""
    return make_zoo(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def history(kept, tmp_path_factory) -> tuple[Path, Baseline]:
    """A repository and the base of a branch that started from its `main`.

    `main` holds the kept zoo in a folder.
    """
    top = tmp_path_factory.mktemp("history").resolve()
    shutil.copytree(kept, top / "nets")
    git(top, "init", "-q", "-b", "main")
    git(top, "add", "-A")
    git(top, "commit", "-qm", "base")
    git(top, "checkout", "-qb", "change")
    edit(top / "nets" / "zoo.py", "max_misses=900", "max_misses=950")
    edit(top / "nets" / "zoo.py", "WIDTH = 8", "WIDTH = 9")
    git(top, "commit", "-qam", "change")
    (top / "nets" / "results.json").unlink()
    base = read_baseline("main", top / "nets" / "zoo.py")
    git(top, "checkout", "-q", "--", ".")
    return top, base


def compared(folder: Path, base: Baseline | None) -> tuple[Entry, Observation]:
    """The entry as the zoo file declares it, and its observation beside `base`."""
    (entry,) = load_zoo(folder / "zoo.py").values()
    seen = observe(folder, entry=entry)
    compare_with(seen, base)
    return entry, seen


def compare_with(seen: Observation, base: Baseline | None) -> None:
    seen.sources = replace(seen.sources, baseline=base)


def test_the_base_is_the_commit_and_not_the_working_tree(history, kept):
    base, recorded = history[1], {run.seed: run for run in read_results(kept / "results.json")}
    entry = base.entries["tiny"]
    assert (
        entry.budget["max_misses"] == 900
        and entry.params == recorded[0].params
        and entry.multiply_adds == recorded[0].multiply_adds
    )
    assert (
        entry.misses == {seed: run.test.misses for seed, run in recorded.items()}
        and entry.missed[1] == recorded[1].missed
    )
    assert base.waivers == () and not entry.error


def test_an_unchanged_zoo_passes_against_its_base(history, kept):
    entry, seen = compared(kept, history[1])
    verdict = judge_ratchet(entry, seen)
    assert verdict.status is Status.PASS and "misses of seed 1" in verdict.observed
    assert judge_against_baseline({"tiny": entry}, history[1], []) == []


def test_a_wider_network_with_a_looser_budget_fails_twice_over(history):
    entry, seen = compared(history[0] / "nets", history[1])
    seen.entry = entry = replace(
        entry,
        budget=replace(entry.budget, slack=Slack(params=10_000, multiply_adds=10**9, misses=999)),
    )
    bare = replace(history[1].entries["tiny"], misses={}, missed={})
    compare_with(seen, replace(history[1], entries={"tiny": bare}))
    verdict = judge_ratchet(entry, seen)
    assert (
        verdict.status is Status.FAIL
        and "params" in verdict.difference
        and "no misses on record" in verdict.observed
    )
    found = [each.observed for each in judge_against_baseline({"tiny": entry}, history[1], [])]
    assert (
        "budget weakened: max_misses 900 -> 950" in found
        and "budget weakened: slack.params 0 -> 10000" in found
    )


def test_a_new_entry_passes_and_a_renamed_one_was_removed(history, kept):
    entry, seen = compared(kept, history[1])
    renamed = replace(entry, name="other")
    assert judge_ratchet(renamed, seen).observed == "new, nothing to compare"
    (verdict,) = judge_against_baseline({"other": renamed}, history[1], [])
    assert (
        verdict.status is Status.FAIL and verdict.entry == "tiny" and "removed" in verdict.observed
    )


def test_an_easier_data_set_is_a_weakening(history, kept):
    entry, _ = compared(kept, history[1])
    (verdict,) = judge_against_baseline(
        {"tiny": replace(entry, data=replace(entry.data, name="easier"))}, history[1], []
    )
    assert "dataset mnist_sample -> easier" in verdict.observed


def test_a_waiver_that_the_base_did_not_have_is_shown(history, tmp_path):
    (tmp_path / "waivers.toml").write_text(
        '[[waiver]]\nentry="tiny"\ngate="params"\naccepted=1\nreason="r"\nowner="Ada"\nexpires=2026-01-01\n'
    )
    added = read_waivers(tmp_path / "waivers.toml")
    entry = load_zoo(history[0] / "nets" / "zoo.py")["tiny"]
    shown = [
        each
        for each in judge_against_baseline({"tiny": entry}, history[1], added)
        if each.gate == "waivers"
    ]
    assert [each.status for each in shown] == [Status.WAIVED] and "Ada" in shown[0].observed
    assert not [
        each
        for each in judge_against_baseline(
            {"tiny": entry}, replace(history[1], waivers=tuple(added)), added
        )
        if each.gate == "waivers"
    ]


def test_without_a_base_or_a_measurement_there_is_no_pass(history, kept):
    entry, seen = compared(kept, None)
    with pytest.raises(Unmeasurable, match="no base"):
        judge_ratchet(entry, seen)
    broken = {"tiny": replace(history[1].entries["tiny"], error="it broke")}
    compare_with(seen, replace(history[1], entries=broken))
    with pytest.raises(Unmeasurable, match="it broke"):
        judge_ratchet(entry, seen)


@pytest.mark.parametrize("ref", ["nowhere", "", "--output=x", "main:nets"])
def test_what_is_no_commit_is_one_line(history, ref):
    with pytest.raises(BaselineError) as caught:
        read_baseline(ref, history[0] / "nets" / "zoo.py")
    assert "is no commit" in str(caught.value) and "\n" not in str(caught.value)


def test_a_zoo_outside_git_or_unknown_to_the_base_is_one_line(history, tmp_path):
    shutil.copy(history[0] / "nets" / "zoo.py", tmp_path / "zoo.py")
    with pytest.raises(BaselineError, match="not a git repository"):
        read_baseline("main", tmp_path / "zoo.py")
    with pytest.raises(BaselineError, match=r"no new\.py at the base"):
        read_baseline("main", history[0] / "new.py")


def test_a_zoo_that_cannot_be_loaded_at_the_base_is_one_line(tmp_path):
    (tmp_path / "zoo.py").write_text("raise ValueError('two\\nlines')")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-qm", "base")
    (tmp_path / "zoo.py").write_text("ZOO = ()")
    with pytest.raises(BaselineError, match=r"cannot be loaded: .*ValueError: two$") as caught:
        read_baseline("HEAD", tmp_path / "zoo.py")
    assert "\n" not in str(caught.value)
