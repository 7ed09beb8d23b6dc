"""Weights, record and pictures of a run appear together or not at all, whatever happens meanwhile.

A writer is killed before each thing that it does to the file system, in a process of its own.
"""

import os
import resource
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from torchbudget.errors import ResultsError
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.results import read_results, seal
from torchbudget.evidence.together import append_run, find_staged, settle_runs, stage

CHANGES = {"open", "os.rename", "os.remove", "os.chmod"}
"""Audit events of the file system."""


class Store:
    """A record, its weights and the pictures of its runs, with an old run and a new one."""

    def __init__(self, folder: Path, make_run, entry) -> None:
        self.folder = folder
        self.results = folder / "results.json"
        self.old = make_run(entry, 0)
        self.new = seal(msgspec.structs.replace(make_run(entry, 1), seed=0))
        self.contents = {
            seed: (make_run.weights / f"{make_run(entry, seed).stem}.safetensors").read_bytes()
            for seed in (0, 1)
        }
        append_run(self.results, self.old, self.files(0))

    def files(self, seed: int) -> dict[Path, bytes]:
        stem = self.old.stem
        return {
            self.folder / "weights" / f"{stem}.safetensors": self.contents[seed],
            self.folder / "pictures" / f"{stem}-curves.png": b"%d" % seed,
        }

    def which(self) -> list[int]:
        """0 or 1 for the old or the new one of record, weights and picture."""
        (run,) = read_results(self.results)
        found = [int(run.seal == self.new.seal)]
        for path, content in self.files(1).items():
            found.append(int(path.read_bytes() == content))
            assert found[-1] or path.read_bytes() == self.files(0)[path]
        return found

    def settle(self) -> None:
        settle_runs(self.results, [self.folder / "weights", self.folder / "pictures"])

    def rest(self) -> list[str]:
        """Files that are none of the run's."""
        names = {path.name for path in self.files(0)} | {"results.json", "results.json.lock"}
        return [p.name for p in self.folder.rglob("*") if p.is_file() and p.name not in names]


@pytest.fixture
def store(tmp_path, make_run, small_entry) -> Store:
    return Store(tmp_path / "zoo", make_run, small_entry)


def die_at(count: int, action: Callable[[], None]) -> bool:
    """Run `action` in a fork that dies before its change `count`; whether it came to that."""
    child = os.fork()
    if child == 0:
        left = [count]

        def watch(event: str, arguments: tuple) -> None:
            if event in CHANGES:
                left[0] -= 1
                if left[0] < 0:
                    os._exit(9)

        sys.addaudithook(watch)
        try:
            action()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_a_writer_killed_at_any_moment_leaves_all_old_or_all_new(store):
    outcomes = []
    weights = store.folder / "weights" / f"{store.old.stem}.safetensors"
    for count in range(200):
        append_run(store.results, store.old, store.files(0))
        died = die_at(count, lambda: append_run(store.results, store.new, store.files(1)))
        if store.which()[:2] == [1, 0]:
            assert find_staged(weights, store.new.digests.weights), "the gate chain names it"
        store.settle()
        assert store.rest() == [], count
        outcomes.append(store.which()[0])
        assert store.which() in ([0, 0, 0], [1, 1, 1]), count
        if not died:
            break
    assert outcomes == sorted(outcomes) and outcomes.count(0) > 5 and outcomes.count(1) > 2
    append_run(store.results, store.old, store.files(0))
    assert store.rest() == []


@pytest.mark.parametrize("room", [0, 10, 3_000])
def test_a_disk_that_fills_while_recording_leaves_all_old_and_nothing_else(store, room):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(OSError, match=r"safetensors|curves|results\.json"):
            append_run(store.results, store.new, store.files(1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert store.which() == [0, 0, 0]
    assert store.rest() == []


def test_a_record_that_cannot_be_read_leaves_the_weights_that_it_may_name(store):
    content = store.results.read_bytes()
    store.results.write_bytes(b"junk")
    with pytest.raises(ResultsError, match="restore it from git"):
        append_run(store.results, store.new, store.files(1))
    store.results.write_bytes(content)
    assert store.which() == [0, 0, 0] and store.rest() == []


def test_what_is_staged_for_another_record_is_left_alone(store):
    """Two stores share the folder of the pictures."""
    other = store.folder / "other.json"
    staged: list[str] = []
    for count in range(200):
        die_at(count, lambda: append_run(other, store.new, store.files(1)))
        staged = [name for name in store.rest() if name.endswith(".staged")]
        if staged:
            break
    store.settle()
    assert staged and [name for name in store.rest() if name.endswith(".staged")] == staged


def test_weights_that_are_not_what_their_name_tells_take_no_place(store):
    """Whoever can put files into a checkout cannot have them taken for weights of the record."""
    weights = store.folder / "weights" / f"{store.old.stem}.safetensors"
    stage({weights: b"others"}, store.results, store.old.digests.weights)
    assert find_staged(weights, store.old.digests.weights) is None
    store.settle()
    assert store.which() == [0, 0, 0] and store.rest() == []


# --- what killed writers leave --------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_what_a_killed_writer_left_is_gone_after_the_next_write(tmp_path):
    path = tmp_path / "file"
    assert die_at(2, lambda: write_atomically(path, "half"))
    assert [name.endswith(".partial") for name in names(tmp_path)] == [True]
    write_atomically(tmp_path / "other", "whole")
    assert len(names(tmp_path)) == 2
    write_atomically(path, "whole")
    assert names(tmp_path) == ["file", "other"]


def test_what_a_living_writer_is_writing_stays(tmp_path):
    def write(partial: Path) -> None:
        write_atomically(tmp_path / "file", "of another writer")
        assert partial.exists()
        partial.write_text("of the slower one", encoding="utf-8")

    write_atomically(tmp_path / "file", write)
    assert (tmp_path / "file").read_text() == "of the slower one" and names(tmp_path) == ["file"]
