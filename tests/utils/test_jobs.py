"""A job is named by all that decides it, and done once however often it is begun."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import worker
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import ResultsError
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import read_results
from utils.engines import thread_variables
from utils.events import Done, EpochDone, Failed, Said
from utils.jobs import RESULT, Job, list_sources, make_job, name_zoo
from utils.runs import RunPaths
from utils.runs_at_once import Setting, Task, merge_result, read_result

TESTS = Path(__file__).resolve().parent.parent


@pytest.fixture
def zoo_file(tmp_path) -> Path:
    for name in ("jobs_zoo.py", "tiny_zoo.py"):
        shutil.copy(TESTS / name, tmp_path / name)
    (tmp_path / "wanted.py").write_text("NAMES = 'plain wild'.split()\n")
    return tmp_path / "jobs_zoo.py"


def job_of(zoo_file: Path, name: str = "plain", **changes) -> Job:
    entry = load_zoo(zoo_file, served=("utils",))[name]
    dataset = worker.read_data(str(zoo_file), "few", None)
    settings = {"seed": 0, "threads": 1} | changes
    return make_job(
        replace(entry, **settings.pop("entry", {})),
        settings.pop("seed"),
        dataset,
        zoo_file,
        **settings,
    )


def task_of(zoo_file: Path, seed: int) -> Task:
    entry = load_zoo(zoo_file, served=("utils",))["plain"]
    return Task(entry, seed, worker.read_data(str(zoo_file), "few", None))


def setting_of(zoo_file: Path) -> Setting:
    return Setting(
        zoo_file=zoo_file,
        paths=RunPaths.beside(zoo_file),
        device="cpu",
        data_root=None,
        record=False,
        report=lambda *run: None,
    )


def perform(job: Job, folder: Path, send=None) -> list:
    """Do a job in this process; its events."""
    events = []
    worker.perform(job, folder, send or events.append, lambda: True)
    return events


def test_a_name_changes_with_everything_that_decides_the_result_and_with_nothing_else(zoo_file):
    entry = load_zoo(zoo_file, served=("utils",))["plain"]
    names = [
        job_of(zoo_file).name,
        job_of(zoo_file, seed=1).name,
        job_of(zoo_file, threads=2).name,
        job_of(zoo_file, entry={"stored": "float16"}).name,
        job_of(zoo_file, entry={"recipe": replace(entry.recipe, batch_size=20)}).name,
        job_of(zoo_file, entry={"network": lambda: entry.network().double().float()}).name,
    ]
    assert names[0] == names.pop()  # another way to the same network
    (zoo_file.parent / "tiny_zoo.py").write_text((TESTS / "tiny_zoo.py").read_text() + "# new\n")
    names.append(job_of(zoo_file).name)
    assert len(set(names)) == len(names)


def test_the_sources_of_a_job_are_those_that_it_may_run(zoo_file):
    sources = list_sources(zoo_file)
    assert {"train.py", "worker.py", "model.py", "utils/training.py"} <= set(sources)
    assert sources[name_zoo(zoo_file)] == zoo_file
    assert "zoo_folder/tiny_zoo.py" in sources
    own = list_sources(TESTS.parent / "zoo.py")
    assert name_zoo(TESTS.parent / "zoo.py") == "zoo.py" in own
    assert not any(name.startswith(("tests/", "zoo_folder/", ".")) for name in own)


def test_a_job_that_is_run_twice_or_killed_is_one(zoo_file, tmp_path):
    job = job_of(zoo_file)
    undisturbed = tmp_path / "undisturbed"
    events = perform(job, undisturbed)
    assert [event.done for event in events if isinstance(event, EpochDone)] == [1, 2, 3]
    assert events[-1] == Done(job=job.name)
    run, weights = read_result(undisturbed / RESULT)
    before = {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")}
    assert [event for event in perform(job, undisturbed) if not isinstance(event, Said)] == [
        Done(job=job.name)
    ]
    assert {path: path.stat().st_mtime_ns for path in undisturbed.rglob("*")} == before

    def die(event):
        if isinstance(event, EpochDone) and event.done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        perform(job, tmp_path / "killed", die)
    assert not (tmp_path / "killed" / RESULT).exists()
    events = perform(job, tmp_path / "killed")
    assert [event.done for event in events if isinstance(event, EpochDone)] == [3]
    again, same = read_result(tmp_path / "killed" / RESULT)
    assert file_digest(same) == file_digest(weights) == run.digests.weights
    assert again.missed == run.missed
    with pytest.raises(ResultsError, match="in the place of plain-seed1-few"):
        merge_result(undisturbed, task_of(zoo_file, seed=1), setting_of(zoo_file), "")
    merged, store = merge_result(undisturbed, task_of(zoo_file, seed=0), setting_of(zoo_file), "c0")
    assert (merged.commit, merged.seal) == ("c0", merged.expected_seal())
    assert read_results(store.results) == [merged] and not undisturbed.exists()
    assert file_digest(store.weights / weights.name) == run.digests.weights


def test_a_job_that_cannot_be_done_says_why_with_the_exit_code_of_the_run_alone(zoo_file, tmp_path):
    (*_, failed) = perform(job_of(zoo_file, "wild"), tmp_path / "wild")
    assert isinstance(failed, Failed) and failed.exit_code == 1
    assert "the loss is nan at step" in failed.message
    other = job_of(zoo_file)
    (*_, failed) = perform(Job(**{**fields(other), "images": "0" * 64}), tmp_path / "other")
    assert failed.exit_code == 3 and "others here than where the command runs" in failed.message
    assert not (tmp_path / "other").exists()


def fields(job: Job) -> dict:
    return {name: getattr(job, name) for name in job.__struct_fields__}


def test_a_worker_computes_on_the_threads_of_its_job(zoo_file, tmp_path):
    before = torch.get_num_threads()
    try:
        for threads in (2, 1):
            perform(job_of(zoo_file, "wild", threads=threads), tmp_path / str(threads))
            assert torch.get_num_threads() == threads
            assert set(thread_variables(threads).values()) == {str(threads)}
    finally:
        torch.set_num_threads(before)
