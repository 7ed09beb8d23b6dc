"""Two branches' results merge run by run; what both renewed is a conflict that names both."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbudget import cli
from torchbudget.evidence.merging import merge_files, merge_runs
from torchbudget.evidence.results import read_results
from torchbudget.evidence.together import append_run

ROOT = Path(__file__).resolve().parents[3]
SEEDS = 3
SIDES = st.lists(st.integers(0, 3), min_size=SEEDS, max_size=SEEDS)
"""Which version of each seed's run a side has, 0 for none."""


@pytest.fixture(scope="module")
def versions(small_entry, tmp_path_factory):
    """Three versions of the run of each seed, by seed and version from 1."""
    from conftest import RunMaker

    make_run = RunMaker(tmp_path_factory.mktemp("weights"))
    return [
        [make_run(small_entry, seed, commit=commit) for commit in ("one", "two", "three")]
        for seed in range(SEEDS)
    ]


@given(base=SIDES, ours=SIDES, theirs=SIDES)
def test_a_merge_loses_nothing_that_one_side_did(versions, base, ours, theirs):
    def runs(side):
        return [versions[seed][number - 1] for seed, number in enumerate(side) if number]

    merged, conflicts = merge_runs(runs(base), runs(ours), runs(theirs))
    by_seed = {run.seed: run for run in merged}
    for seed, (before, mine, other) in enumerate(zip(base, ours, theirs, strict=True)):
        expected = other if mine == before else mine
        kept = versions[seed][expected - 1] if expected else None
        assert by_seed.get(seed) == kept
        stem = versions[seed][0].stem
        both = len({before, mine, other}) == 3 or (mine != before and other not in (before, mine))
        assert (stem in [conflict.stem for conflict in conflicts]) == both
    assert [run.stem for run in merged] == sorted(run.stem for run in merged)


def git(folder, *words, check=True):
    command = ["git", "-c", "user.name=zoo", "-c", "user.email=zoo@example.org", *words]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, check=check, capture_output=True, text=True, env=environment
    )


@pytest.fixture
def repository(tmp_path, versions):
    """A repository with the run of seed 0, where git merges records as the help says."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    driver = f'"{sys.executable}" -m torchbudget merge-results %O %A %B'
    git(folder, "config", "merge.torchbudget.driver", driver)
    (folder / ".gitattributes").write_text("results.json merge=torchbudget\n", encoding="utf-8")
    commit(folder, versions[0][0])
    return folder


def commit(folder, run):
    append_run(folder / "results.json", run)
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "a run")


def test_branches_that_each_add_a_run_merge_and_one_renewed_on_both_is_a_conflict(
    repository, versions
):
    git(repository, "switch", "-qc", "other")
    commit(repository, versions[1][0])
    git(repository, "switch", "-q", "main")
    commit(repository, versions[2][0])
    git(repository, "merge", "-qm", "both", "other")
    assert read_results(repository / "results.json") == [runs[0] for runs in versions]

    git(repository, "switch", "-q", "other")
    commit(repository, versions[0][1])
    git(repository, "switch", "-q", "main")
    commit(repository, versions[0][2])
    merge = git(repository, "merge", "-qm", "again", "other", check=False)
    assert merge.returncode != 0 and versions[0][0].stem in merge.stderr
    assert "renewed on both sides" in merge.stderr
    assert read_results(repository / "results.json")[0] == versions[0][2]


def test_a_base_that_is_empty_is_no_run(tmp_path, versions):
    for name, run in (("ours", versions[0][0]), ("theirs", versions[1][0])):
        append_run(tmp_path / f"{name}.json", run)
    (tmp_path / "base.json").touch()
    paths = [tmp_path / f"{name}.json" for name in ("base", "ours", "theirs")]
    assert merge_files(*paths) == []
    assert [run.seed for run in read_results(paths[1])] == [0, 1]


def test_a_side_that_is_no_record_changes_nothing(tmp_path, versions, capsys):
    ours = tmp_path / "ours.json"
    append_run(ours, versions[0][0])
    before = ours.read_bytes()
    theirs = tmp_path / "theirs.json"
    theirs.write_text("{}", encoding="utf-8")
    words = ["merge-results", str(tmp_path / "none.json"), str(ours), str(theirs)]
    assert cli.main(words) == 2
    assert str(theirs) in capsys.readouterr().err and ours.read_bytes() == before
