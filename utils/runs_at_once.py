"""Many runs as jobs of an engine; this program alone merges what they give into the record."""

import shutil
import sys
from argparse import Namespace
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import torch
from filelock import FileLock, Timeout

from torchbudget.command import complain
from torchbudget.data.images import Dataset
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.errors import Interrupted, ResultsError, TorchBudgetError
from torchbudget.evidence import machine
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import Run, read_results, run_stem
from torchbudget.evidence.together import append_run
from utils.dispatch import LOG, Ended, run_jobs
from utils.engine_choice import open_engine
from utils.engines import Engine
from utils.events import Failed
from utils.jobs import RESULT, Job, job_folder, make_job
from utils.preflight import check_store
from utils.progress import ProgressView
from utils.runs import RunPaths, Store, choose_store
from utils.throughput import Load, Plan, choose_plan, count_cores, plan_as_asked

PROG = "train.py"
AGAIN = "the same command continues"


@dataclass(frozen=True)
class Task:
    """A run to be done: its entry, and the images that it is trained on."""

    entry: Entry
    seed: int
    dataset: Dataset

    @property
    def label(self) -> str:
        return f"{self.entry.name}, seed {self.seed}"

    @property
    def stem(self) -> str:
        """The name of its run's files."""
        return run_stem(self.entry.name, self.seed, self.dataset.name, [])


@dataclass
class Outcome:
    """The runs that were merged, and the exit codes of those that failed, by entry and seed."""

    runs: dict[tuple[str, int], Run] = field(default_factory=dict)
    failures: dict[tuple[str, int], int] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        return max(self.failures.values(), default=0)

    def lacks(self, entry: Entry) -> list[str]:
        """The members of an ensemble whose runs failed."""
        members = entry.member_runs if isinstance(entry, Ensemble) else ()
        return [
            f"{member.name}, seed {seed}"
            for member, seed in members
            if (member.name, seed) in self.failures
        ]


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all runs of a command have in common; `report` prints what a merged run gave."""

    zoo_file: Path
    paths: RunPaths
    device: str
    data_root: Path | None
    record: bool
    report: Callable[[Run, Entry, Store], None]


def train_at_once(tasks: Sequence[Task], options: Namespace, setting: Setting) -> Outcome:
    """Do the runs as jobs, if `options` and the machine speak for more than one at a time.

    Otherwise nothing is done here, and the caller trains one after the other. Raises `UsageError`,
    `Interrupted`, and `TorchBudgetError` where another command works on the same jobs.
    """
    plan = make_plan(tasks, options, setting.device)
    if options.ray is None and plan.num_jobs < 2:
        if plan.threads:
            torch.set_num_threads(plan.threads)
        return Outcome()
    lock = setting.paths.checkpoints / "jobs" / "train.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            print(plan, flush=True)
            datasets = {task.dataset.name: task.dataset for task in tasks}
            engine = open_engine(
                plan, setting.zoo_file, datasets.values(), options.ray, setting.device
            )
            return run_tasks(tasks, engine, plan, setting)
    except Timeout as error:
        raise TorchBudgetError(
            f"{lock} is held: another command trains this zoo; wait until it has ended"
        ) from error


def make_plan(tasks: Sequence[Task], options: Namespace, device: str) -> Plan:
    """How many at once on how many threads, as asked for or else measured.

    `threads` is 0 where those of torch stay.
    """
    if options.ray is not None:
        return plan_as_asked(options)
    if options.jobs == 1 or len(tasks) < 2:
        return Plan(1, options.threads or 0)
    if options.jobs is not None or options.threads is not None:
        return plan_as_asked(options)
    if device != "cpu":
        return Plan(1, 0)
    counts = Counter(task.entry.name for task in tasks)
    loads = {task.entry.name: task for task in tasks}
    return choose_plan(
        [Load(task.entry, task.dataset.train, counts[name]) for name, task in loads.items()],
        count_cores(),
    )


def run_tasks(tasks: Sequence[Task], engine: Engine, plan: Plan, setting: Setting) -> Outcome:
    """Do all runs, and merge each as soon as it is there.

    A run that fails is a line on stderr, and the others go on. Ctrl-C ends the workers; what they
    have begun goes on from its checkpoints next time. Raises `Interrupted`, and as `check_store`
    before anything is trained.
    """
    outcome = Outcome()
    commit = machine.commit(setting.paths.results.parent)
    try:
        jobs = {}
        for task in tasks:
            check_store(choose_task_store(task, setting), setting.paths)
            job = make_task_job(task, plan.threads, setting)
            jobs[job.name] = task, job, job_folder(setting.paths, job)
        labels = {name: task.label for name, (task, _, _) in jobs.items()}
        todo = {name: (job, folder) for name, (_, job, folder) in jobs.items()}
        with ProgressView(len(tasks), plan.num_jobs or engine.room, labels) as view:
            for ended in run_jobs(engine, todo, view):
                task, _, folder = jobs[ended.job.name]
                take(ended, task, folder, outcome, setting, commit)
    except KeyboardInterrupt:
        done = f"{len(outcome.runs)} of {len(tasks)} runs are done"
        raise Interrupted(f"interrupted; {done}, {AGAIN} the others") from None
    finally:
        engine.close()
    return outcome


def make_task_job(task: Task, threads: int, setting: Setting) -> Job:
    return make_job(
        task.entry,
        task.seed,
        task.dataset,
        setting.zoo_file,
        threads=threads,
        device=setting.device,
        data_root=setting.data_root,
    )


def choose_task_store(task: Task, setting: Setting) -> Store:
    """Where the run of a task belongs; raises `ResultsError` where that cannot be read."""
    return choose_store(task.entry, task.seed, task.dataset.name, [], setting.paths, setting.record)


def take(
    ended: Ended, task: Task, folder: Path, outcome: Outcome, setting: Setting, commit: str
) -> None:
    """Merge the run of a job that has ended, or say on stderr why there is none."""
    key = task.entry.name, task.seed
    if isinstance(ended.how, Failed):
        outcome.failures[key] = ended.how.exit_code
        complain(PROG, f"{task.label} failed: {ended.how.message} (log: {folder / LOG})")
        return
    run, store = merge_result(folder, task, setting, commit)
    outcome.runs[key] = run
    print(f"{task.label}:")
    setting.report(run, task.entry, store)
    sys.stdout.flush()


# --- what a job leaves ----------------------------------------------------------------------------


def merge_result(folder: Path, task: Task, setting: Setting, commit: str) -> tuple[Run, Store]:
    """Move the run in the folder of a job to the store where it belongs, all of it or nothing.

    History, pictures and log go to `paths.output`. The record names the `commit` that this program
    runs at: the worker may be on a machine without git. Raises `ResultsError`.
    """
    run, weights = read_result(folder / RESULT)
    if run.stem != task.stem:
        raise ResultsError(f"{folder} holds the run {run.stem} in the place of {task.stem}")
    run = msgspec.structs.replace(run, commit=commit)
    paths = setting.paths
    store = choose_task_store(task, setting)
    files = {store.weights / weights.name: weights.read_bytes()}
    for path in sorted((folder / RESULT / "results").glob(f"{run.stem}-*")):
        files[paths.output / path.name] = path.read_bytes()
    if (folder / LOG).is_file():
        files[paths.output / f"{run.stem}-{LOG}"] = (folder / LOG).read_bytes()
    append_run(store.results, run, files)
    shutil.rmtree(folder, ignore_errors=True)
    return store.find(run.stem) or run, store


def read_result(result: Path) -> tuple[Run, Path]:
    """The one run in the result of a job, and its weights; raises `ResultsError`."""
    own = RunPaths.beside(result / "zoo.py")
    for store in (own.shipped, own.local):
        for run in read_results(store.results):
            weights = store.weights / f"{run.stem}.safetensors"
            if weights.is_file() and file_digest(weights) == run.digests.weights:
                return run, weights
    raise ResultsError(f"{result} holds no whole run; delete it, and the run is trained again")
