"""A worker: does the jobs that another program of this zoo gives it. Nobody starts it by hand.

It reads orders as lines of JSON on stdin, and writes events on stdout (`utils/events.py`). It ends
when its stdin does, so a worker never outlives the program that started it.
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("worker.py")

import _thread
import contextlib
import functools
import io
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from torchbudget.command import OUT_OF_MEMORY, run_main
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_or_sample
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import EXIT_FAIL, EXIT_UNMEASURED, DataError, TorchBudgetError
from torchbudget.reading import is_out_of_memory
from torchbudget.report.text import first_line
from train import run
from utils.checkpoint import list_checkpoints
from utils.events import (
    Answer,
    Begun,
    Done,
    EpochDone,
    Event,
    Failed,
    Order,
    Said,
    Stopped,
    read_order,
    write_line,
)
from utils.jobs import Job, make_result
from utils.objective import UNUSABLE, train_and_count
from utils.runs import RunPaths, scale_val
from utils.space import with_changes
from utils.training import Training

SECONDS_TO_END = 10.0
"""In which a worker that has lost its program leaves what it does; then it is ended."""


class NotWanted(Exception):
    """A trial was told not to go on."""


class Lines(io.TextIOBase):
    """A stream whose whole lines become events of a job."""

    def __init__(self, job: str, send: Callable[[Event], None]) -> None:
        self.job = job
        self.send = send
        self.line = ""

    def write(self, text: str) -> int:
        lines, newline, rest = (self.line + text).rpartition("\n")
        self.line = rest
        if newline:
            self.send(Said(job=self.job, text=lines + newline))
        return len(text)


def perform(
    job: Job,
    folder: Path,
    send: Callable[[Event], None],
    goes_on: Callable[[], bool],
    dataset: Dataset | None = None,
) -> None:
    """Do a job in its folder, and send its events; the last one says how it ended.

    `goes_on` is asked after each epoch of a trial but the last. `dataset` spares loading the data.
    """
    torch.set_num_threads(job.threads)
    lines = Lines(job.name, send)
    with contextlib.redirect_stdout(lines), contextlib.redirect_stderr(lines):
        send(end(job, folder, send, goes_on, dataset))


def end(
    job: Job,
    folder: Path,
    send: Callable[[Event], None],
    goes_on: Callable[[], bool],
    dataset: Dataset | None,
) -> Event:
    """How a job ends: whatever fails is an event."""
    try:
        entry, dataset = prepare(job, dataset)
        if job.is_trial:
            return Done(job=job.name, misses=do_trial(job, entry, dataset, send, goes_on))
        make_result(folder, lambda paths: do_run(job, entry, dataset, paths, send))
        return Done(job=job.name)
    except NotWanted:
        return Stopped(job=job.name)
    except Exception as error:
        if job.is_trial and isinstance(error, UNUSABLE):
            return Stopped(job=job.name, why=first_line(error))
        return describe_failure(job, error)


def describe_failure(job: Job, error: Exception) -> Failed:
    """What a run alone would say of an error, and its exit code; a bug's traceback is printed."""
    if isinstance(error, TorchBudgetError):
        return Failed(job=job.name, message=first_line(error), exit_code=error.exit_code)
    if isinstance(error, OSError):
        message = f"{error.filename}: {error.strerror}" if error.filename else first_line(error)
        return Failed(job=job.name, message=message, exit_code=EXIT_UNMEASURED)
    if is_out_of_memory(error):
        return Failed(job=job.name, message=OUT_OF_MEMORY, exit_code=EXIT_UNMEASURED)
    traceback.print_exc()
    message = f"{type(error).__name__}: {first_line(error)}"
    return Failed(job=job.name, message=message, exit_code=EXIT_FAIL)


def prepare(job: Job, dataset: Dataset | None) -> tuple[Entry, Dataset]:
    """The entry as it is to be trained, and its data; raises `DataError` for other images."""
    (declared,) = select_entries(read_zoo(job.zoo), [job.entry])
    dataset = dataset or read_data(job.zoo, declared.dataset, job.data_root)
    if dataset.train.digest != job.images:
        raise DataError(
            f"the training images of {dataset.name} are others here than where the command runs"
        )
    return with_changes(declared, job.changes), dataset


@functools.lru_cache(maxsize=1)
def read_zoo(path: str) -> dict[str, Entry]:
    return load_zoo(Path(path), served=("utils",))


@functools.lru_cache(maxsize=1)
def read_data(zoo: str, name: str, data_root: str | None) -> Dataset:
    root = None if data_root is None else Path(data_root)
    specs = {entry.dataset: entry.data for entry in read_zoo(zoo).values()}
    return load_or_sample(specs[name], root, Path(zoo).parent)


def do_run(
    job: Job, entry: Entry, dataset: Dataset, paths: RunPaths, send: Callable[[Event], None]
) -> None:
    """Train, measure and record a run, all in the paths of its job."""
    resume = any(list_checkpoints(folder) for folder in paths.checkpoints.glob("*"))

    def tell(training: Training) -> None:
        send(describe_epoch(job, training))

    send(Begun(job=job.name, epochs=entry.recipe.epochs))
    run(entry, job.seed, dataset, paths=paths, device=job.device, resume=resume, on_epoch=tell)


def do_trial(
    job: Job,
    entry: Entry,
    dataset: Dataset,
    send: Callable[[Event], None],
    goes_on: Callable[[], bool],
) -> int:
    """The val misses of a trial; raises `NotWanted`."""

    def tell(training: Training) -> None:
        send(describe_epoch(job, training))
        if len(training.history) < entry.recipe.epochs and not goes_on():
            raise NotWanted

    send(Begun(job=job.name, epochs=entry.recipe.epochs))
    train, val = split_train_val(dataset, scale_val(entry, dataset))
    return train_and_count(entry, job.seed, train, val, torch.device(job.device), tell)


def describe_epoch(job: Job, training: Training) -> EpochDone:
    """The newest epoch of a training."""
    row = training.history[-1]
    done = len(training.history)
    pace = sum(epoch.seconds for epoch in training.history) / done
    return EpochDone(
        job=job.name,
        done=done,
        epochs=training.recipe.epochs,
        train_loss=row.train_loss,
        val_misses=row.val_misses,
        seconds_left=pace * (training.recipe.epochs - done),
    )


# --- the process ----------------------------------------------------------------------------------


def read_orders(orders: "queue.Queue[Order | Answer | None]") -> None:
    """Queue what comes on stdin; at its end, end the job in hand and this process."""
    for line in sys.stdin.buffer:
        orders.put(read_order(line))
    orders.put(None)
    _thread.interrupt_main()
    time.sleep(SECONDS_TO_END)
    os._exit(EXIT_UNMEASURED)


def take_orders(orders: "queue.Queue[Order | Answer | None]") -> Iterator[Order]:
    while isinstance(order := orders.get(), Order):
        yield order


def serve() -> int:
    """Do job after job until stdin ends; the exit code."""
    events = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a library prints is no event
    orders: queue.Queue[Order | Answer | None] = queue.Queue()
    threading.Thread(target=read_orders, args=(orders,), daemon=True).start()

    def send(event: Event) -> None:
        events.write(write_line(event))

    def goes_on() -> bool:
        answer = orders.get()
        return isinstance(answer, Answer) and answer.go_on

    for order in take_orders(orders):
        perform(order.job, Path(order.folder), send, goes_on)
    return 0


if __name__ == "__main__":
    sys.exit(run_main(serve, "worker.py"))
