"""Trials of a study as jobs of an engine; this program alone asks the study and tells it.

Workers are told numbers and give back the misses of val after each epoch. So poor trials are pruned
across all workers, and the storage of the study has one writer here.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from torchbudget.data.images import Dataset
from torchbudget.declare.teaching import find_teacher
from torchbudget.errors import EXIT_UNMEASURED, TorchBudgetError, UsageError
from torchbudget.report.text import first_line
from utils.dispatch import TICK_SECONDS, write_log
from utils.engine_choice import open_engine
from utils.engines import Engine
from utils.events import Done, EpochDone, Failed, Happened, Lost, Stopped
from utils.jobs import Job, make_job
from utils.objective import UNUSABLE
from utils.progress import ProgressView
from utils.study import (
    HEARTBEAT_SECONDS,
    Objective,
    describe_trial,
    finished,
    judge_epoch,
    prune,
    retry_trial,
    suggest,
)
from utils.throughput import plan_as_asked

MAX_LOSSES = 6
"""Workers that die one after the other, before the search gives up: it is not the trials'."""


class JobError(TorchBudgetError):
    """A job that cannot be done, and so none of its study."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass
class Running:
    """A trial that a worker has, and why it is pruned if it is."""

    trial: optuna.Trial
    values: dict[str, float]
    folder: Path
    why: str = ""


class SearchAtOnce:
    """Brings a study to its number of finished trials, as many at once as the engine has room for.

    `make_job` gives the job of a trial, from its number and its values, and the job's folder.
    """

    def __init__(
        self,
        study: optuna.Study,
        storage: BaseStorage,
        objective: Objective,
        engine: Engine,
        make_job: Callable[[int, dict[str, float]], tuple[Job, Path]],
    ) -> None:
        self.study = study
        self.storage = storage
        self.objective = objective
        self.engine = engine
        self.make_job = make_job
        self.running: dict[str, Running] = {}
        self.last_heartbeat = 0.0
        self.losses = 0

    def run(self, num_trials: int, view: ProgressView) -> None:
        """Ask, submit and tell until `num_trials` are finished; Ctrl-C queues what was begun again.

        Raises the error of a job that says something of all trials, such as missing data.
        """
        try:
            while self.num_finished() < num_trials or self.running:
                while self.engine.room > 0 and self.num_wanted(num_trials) > 0:
                    self.ask(view)
                self.keep_alive()
                event = self.engine.wait(TICK_SECONDS)
                view.refresh()
                if event is not None and event.job in self.running:
                    self.take(event, view)
        except BaseException:
            for running in self.running.values():
                self.study.tell(running.trial, state=TrialState.FAIL, skip_if_finished=True)
                self.study.enqueue_trial(running.values)
            raise

    def num_finished(self) -> int:
        return len(finished(self.study))

    def num_wanted(self, num_trials: int) -> int:
        """How many trials are still to be begun, if those in hand finish."""
        return num_trials - self.num_finished() - len(self.running)

    def ask(self, view: ProgressView) -> None:
        """Begin a trial, or prune it at once where its network is over its budget."""
        self.keep_alive(0)
        with warnings.catch_warnings(action="ignore"):  # about the heartbeat, which is kept up here
            optuna.storages.fail_stale_trials(self.study)
            trial = self.study.ask()
        ranges = self.objective.space.ranges
        values = {name: suggest(trial, name, interval) for name, interval in ranges.items()}
        try:
            self.objective.check_size(trial, self.objective.space.apply(values))
            job, folder = self.make_job(trial.number, values)
        except optuna.TrialPruned:
            self.tell(trial, None, view)
            return
        except UNUSABLE as error:
            prune(trial, first_line(error))
            self.tell(trial, None, view)
            return
        self.running[job.name] = Running(trial, values, folder)
        view.labels[job.name] = f"trial {trial.number}"
        self.engine.submit(job, folder)

    def take(self, event: Happened, view: ProgressView) -> None:
        """Act on what a worker says of a trial."""
        running = self.running[event.job]
        trial = running.trial
        write_log(running.folder, event)
        view.show(event)
        if isinstance(event, EpochDone):
            running.why = judge_epoch(trial, event.done, event.epochs, event.val_misses)
            if event.done < event.epochs:
                self.engine.answer(event.job, go_on=not running.why)
        elif isinstance(event, Failed):
            raise JobError(event.message, event.exit_code)
        elif isinstance(event, Done | Stopped | Lost):
            del self.running[event.job]
            self.end(trial, event, running.why, view)

    def end(
        self, trial: optuna.Trial, event: Done | Stopped | Lost, why: str, view: ProgressView
    ) -> None:
        """Tell the study how a trial ended; one whose worker died is queued again."""
        self.losses = self.losses + 1 if isinstance(event, Lost) else 0
        if isinstance(event, Done):
            self.tell(trial, event.misses, view)
        elif isinstance(event, Stopped):
            prune(trial, event.why or why)
            self.tell(trial, None, view)
        else:
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)
            retry_trial(self.study, self.study.get_trials(deepcopy=False)[trial.number])
            if self.losses == MAX_LOSSES:
                message = f"{MAX_LOSSES} workers died one after the other, at last {event.why}"
                raise JobError(message, EXIT_UNMEASURED)

    def tell(self, trial: optuna.Trial, misses: int | None, view: ProgressView) -> None:
        """Finish a trial; one without a value was pruned."""
        state = TrialState.PRUNED if misses is None else TrialState.COMPLETE
        told = self.study.tell(trial, misses, state=state, skip_if_finished=True)
        view.say(describe_trial(told, self.study, len(self.objective.val)))

    def keep_alive(self, interval: float = HEARTBEAT_SECONDS) -> None:
        """Let the storage know, at that interval, that the trials in hand are not stale."""
        now = time.monotonic()
        if now - self.last_heartbeat >= interval:
            self.last_heartbeat = now
            for running in self.running.values():
                self.storage.record_heartbeat(running.trial._trial_id)


def run_at_once(
    study: optuna.Study,
    storage: BaseStorage,
    objective: Objective,
    dataset: Dataset,
    options: argparse.Namespace,
) -> None:
    """Bring the study to its number of trials by jobs; the log of each is in `options.out`.

    Raises what an engine raises, and the error of a trial that says something of all.
    """
    space = objective.space
    if find_teacher(space.entry):
        raise UsageError("a taught recipe is searched in one process: leave --jobs and --ray out")
    plan = plan_as_asked(options)
    trained_on = replace(dataset, test=None)
    engine = open_engine(plan, options.zoo, [trained_on], options.ray, str(objective.device))
    epochs = {"epochs": space.entry.recipe.epochs}

    def job_of(number: int, values: dict[str, float]) -> tuple[Job, Path]:
        job = make_job(
            space.apply(values),
            options.seed,
            dataset,
            options.zoo,
            threads=plan.threads,
            device=str(objective.device),
            data_root=options.data_root,
            changes=epochs | space.find_changes(values),
            trial=number,
        )
        return job, options.out / f"{study.study_name}-logs" / job.name

    print(plan, flush=True)
    try:
        with ProgressView(options.trials, plan.num_jobs, {}) as view:
            view.num_ended = len(finished(study))
            SearchAtOnce(study, storage, objective, engine, job_of).run(options.trials, view)
    finally:
        engine.close()
