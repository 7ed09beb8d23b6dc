"""Runs at once give what they give one after the other, whatever happens to their workers."""

import contextlib
import io
import os
import shutil
from importlib.util import find_spec
from pathlib import Path

import msgspec
import pytest
from filelock import FileLock

import train
from torchbudget.evidence.results import Run, read_results

TESTS = Path(__file__).resolve().parent.parent


def make_zoo(folder: Path, entries: str, *done: str) -> Path:
    """The zoo file of `jobs_zoo.py` with these entries; `done` have done their harm."""
    folder.mkdir(exist_ok=True)
    shutil.copy(TESTS / "jobs_zoo.py", folder / "zoo.py")
    shutil.copy(TESTS / "tiny_zoo.py", folder)
    (folder / "wanted.py").write_text(f"NAMES = {entries.split()}\n")
    for name in done:
        (folder / f"{name}.done").touch()
    return folder / "zoo.py"


def train_all(zoo_file: Path, *words: str) -> int:
    return train.main(["--all", "--zoo", str(zoo_file), "--threads", "1", *words])


def without_times(run: Run) -> Run:
    history = [msgspec.structs.replace(epoch, seconds=0.0) for epoch in run.history]
    times = {"started": "", "total_seconds": 0.0, "train_seconds": 0.0, "seal": ""}
    return msgspec.structs.replace(run, history=history, **times)


def workers() -> set[str]:
    """The workers that this process has started and that are alive."""
    threads = Path(f"/proc/{os.getpid()}/task").iterdir()
    pids = {pid for thread in threads for pid in (thread / "children").read_text().split()}
    return {pid for pid in pids if b"worker.py" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def run_quietly(zoo_file: Path, *words: str) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of training the whole zoo."""
    out, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(errors):
        code = train_all(zoo_file, *words)
    return code, out.getvalue(), errors.getvalue()


@pytest.fixture(scope="module")
def sequential(tmp_path_factory) -> Path:
    """The folder of a zoo that was trained one run after the other."""
    zoo_file = make_zoo(tmp_path_factory.mktemp("sequential"), "plain deadly jury", "deadly")
    assert run_quietly(zoo_file, "--jobs", "1")[0] == 0
    return zoo_file.parent


@pytest.fixture(scope="module")
def at_once(tmp_path_factory) -> tuple[Path, int, str, str]:
    """The same and a run that diverges, two at a time, one worker killed in mid-run."""
    zoo_file = make_zoo(tmp_path_factory.mktemp("at_once"), "wild plain deadly jury")
    return zoo_file.parent, *run_quietly(zoo_file, "--jobs", "2")


def test_two_at_once_give_the_bytes_and_records_of_one_after_the_other(sequential, at_once):
    folder, _, _, _ = at_once
    names = sorted(path.name for path in (sequential / "weights").iterdir())
    assert names == sorted(path.name for path in (folder / "weights").iterdir()) and len(names) == 3
    for name in names:
        assert (folder / "weights" / name).read_bytes() == (
            sequential / "weights" / name
        ).read_bytes()
    one, two = (
        [without_times(run) for run in read_results(place / "results.json")]
        for place in (sequential, folder)
    )
    assert one == two and len(one) == 4
    pictures = {path.name for path in (folder / "results").iterdir() if path.suffix == ".png"}
    assert {f"deadly-seed0-few-{name}.png" for name in ("curves", "confusion")} <= pictures


def test_a_killed_worker_is_replaced_and_its_run_goes_on_from_its_checkpoint(at_once):
    folder, _, out, _ = at_once
    assert "deadly, seed 0: its worker was lost (killed by SIGKILL)" in out
    log = (folder / "results/deadly-seed0-few-log.txt").read_text()
    assert "resumed after epoch 1 of 3" in log
    assert log.count("epoch  1/3") == log.count("epoch  3/3") == 1
    assert not workers()


def test_a_run_that_fails_is_one_line_and_the_others_go_on(at_once):
    folder, code, _, errors = at_once
    assert code == 1
    (line,) = errors.splitlines()
    assert line.startswith("train.py: wild, seed 0 failed: the loss is nan at step")
    (left,) = [path for path in (folder / "checkpoints/jobs").iterdir() if path.is_dir()]
    assert f"(log: {left / 'log.txt'})" in line and (left / "log.txt").is_file()


def test_without_a_terminal_each_epoch_is_a_line(at_once):
    lines = [line for line in at_once[2].splitlines() if line.startswith("plain, seed 1: epoch")]
    assert len(lines) == 3 and all("val" in line and line.endswith("left") for line in lines)


def test_what_is_in_place_is_not_trained_again(sequential):
    before = (sequential / "results.json").read_bytes()
    code, out, _ = run_quietly(sequential / "zoo.py", "--jobs", "2")
    assert code == 0 and out.count("evidence in place") == 4 and "at once" not in out
    assert (sequential / "results.json").read_bytes() == before


def test_ctrl_c_ends_all_workers_in_one_line_and_keeps_their_checkpoints(tmp_path):
    zoo_file = make_zoo(tmp_path, "interrupting")
    code, _, errors = run_quietly(zoo_file, "--jobs", "2")
    (line,) = errors.splitlines()
    assert code == 130 and "of 2 runs are done, the same command continues the others" in line
    assert not workers()
    assert not (tmp_path / "results.json").exists() and not (tmp_path / "weights").exists()
    jobs = tmp_path / "checkpoints/jobs"
    assert list(jobs.glob("*/checkpoints/*/epoch-001.pt")) and not list(jobs.glob("*/result"))


def test_two_commands_do_not_train_one_zoo_at_once(tmp_path):
    zoo_file = make_zoo(tmp_path, "plain")
    lock = tmp_path / "checkpoints/jobs/train.lock"
    lock.parent.mkdir(parents=True)
    with FileLock(lock):
        code, _, errors = run_quietly(zoo_file, "--jobs", "2")
    assert code == 3 and f"{lock} is held: another command trains this zoo" in errors


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plain", "--jobs", "2"], "--jobs spreads the runs of --all"),
        (["plain", "--ray", "auto"], "--ray spreads the runs of --all"),
        (["plain", "--all", "--recipe.epochs", "1"], "name one ENTRY to override"),
        (["plain", "--all", "--jobs", "0"], "0 is less than 1"),
    ],
)
def test_what_cannot_be_spread_is_refused(words, said, tmp_path, capsys):
    zoo_file = make_zoo(tmp_path, "plain")
    assert train.main([*words, "--zoo", str(zoo_file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


@pytest.mark.skipif(find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_option_says_what_to_install(tmp_path, capsys):
    assert train_all(make_zoo(tmp_path, "plain"), "--ray", "auto") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "--ray needs the package ray" in line and "pip install" in line
