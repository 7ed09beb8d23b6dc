"""Runs and trials on a Ray cluster of two nodes on this machine; `make test-ray` installs Ray."""

import os
import signal
import threading
import time
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: make test-ray"),
    pytest.mark.filterwarnings("ignore"),  # of Ray's own
]

import optuna  # noqa: E402
from ray_cluster import find_workers, two_nodes  # noqa: E402
from test_runs_at_once import make_zoo, run_quietly, without_times  # noqa: E402

import search  # noqa: E402
from torchbudget.evidence.results import read_results  # noqa: E402
from utils.engine_ray import keep_checkpoint  # noqa: E402
from utils.study import open_storage  # noqa: E402

SMALL = "one two three four five six"


@pytest.mark.parametrize("nowhere", ["127.0.0.1:1", "ray://127.0.0.1:1", "auto"])
def test_an_address_without_a_cluster_is_one_line(nowhere, tmp_path):
    """Before the cluster of the other tests, which "auto" would find."""
    code, _, errors = run_quietly(make_zoo(tmp_path, "plain"), "--ray", nowhere)
    (line,) = errors.splitlines()
    assert code == 3 and f"no Ray cluster answers at --ray {nowhere}" in line


@pytest.fixture(scope="module")
def address():
    """Two nodes of one core each."""
    with two_nodes() as address:
        yield address


def kill_one(checkpoints: Path, killed: list[int]) -> None:
    """Kill a task as soon as a checkpoint of any job has come back."""
    end = time.monotonic() + 120
    while time.monotonic() < end:
        if list(checkpoints.glob("jobs/*/checkpoints/*/epoch-*.pt")) and (tasks := find_workers()):
            killed.append(tasks[0])
            os.kill(tasks[0], signal.SIGKILL)
            return
        threading.Event().wait(0.02)


def test_only_the_newest_checkpoint_is_kept_here(tmp_path):
    for epoch in (1, 2, 3):
        keep_checkpoint(tmp_path, (f"checkpoints/run/epoch-00{epoch}.pt", b"x"))
    assert [path.name for path in (tmp_path / "checkpoints/run").iterdir()] == ["epoch-003.pt"]


def test_a_cluster_gives_the_bytes_of_one_after_the_other_though_a_worker_is_killed(
    address, tmp_path
):
    sequential = make_zoo(tmp_path / "sequential", SMALL)
    began = time.monotonic()
    assert run_quietly(sequential, "--jobs", "1")[0] == 0
    alone = time.monotonic() - began
    cluster = make_zoo(tmp_path / "cluster", SMALL)
    killed: list[int] = []
    killer = threading.Thread(target=kill_one, args=(cluster.parent / "checkpoints", killed))
    killer.start()
    began = time.monotonic()
    code, out, errors = run_quietly(cluster, "--ray", address)
    print(f"one after the other {alone:.1f} s, on the cluster {time.monotonic() - began:.1f} s")
    killer.join()
    assert (code, errors) == (0, "")
    assert killed
    assert "its worker was lost" in out
    names = sorted(path.name for path in (sequential.parent / "weights").iterdir())
    assert len(names) == 12
    for name in names:
        whole, distributed = (zoo.parent / "weights" / name for zoo in (sequential, cluster))
        assert whole.read_bytes() == distributed.read_bytes()
    one, two = (
        [without_times(run) for run in read_results(zoo.parent / "results.json")]
        for zoo in (sequential, cluster)
    )
    assert one == two


def test_trials_on_a_cluster_are_told_and_pruned(address, tmp_path):
    zoo_file = make_zoo(tmp_path, "plain")
    words = ["plain", "--zoo", str(zoo_file), "--out", str(tmp_path / "out"), "--trials", "8"]
    words += ["--search", "schedule.max_lr=1e-9:0.2", "--ray", address]
    assert search.main(words) == 0
    (path,) = (tmp_path / "out").glob("*.db")
    storage = open_storage(f"sqlite:///{path}")
    trials = optuna.load_study(study_name=path.stem, storage=storage).get_trials()
    states = Counter(trial.state.name for trial in trials)
    assert states["COMPLETE"] + states["PRUNED"] == len(trials) == 8 and states["PRUNED"]
