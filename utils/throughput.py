"""How many runs at once, and on how many threads each: measured, not guessed.

A network of a few thousand parameters trains hardly faster on two threads than on one, and two runs
side by side then take half the time of one after the other. A large network may be the reverse.
"""

import os
import time
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import torch

from torchbudget.building.connection import THREADS
from torchbudget.data.images import Images
from torchbudget.declare.entry import Entry
from torchbudget.evidence.measure import on_threads
from utils.checks import check_trainable
from utils.training import Training

STEPS = 8
"""Steps of a measurement, after as many that warm up."""
CLEARLY = 1.5
"""A step is clearly shorter on fewer threads if one on more takes this many times as long."""


@dataclass(frozen=True)
class Load:
    """An entry, its images, and how many runs of it there are to do."""

    entry: Entry
    train: Images
    num_runs: int

    @property
    def steps(self) -> int:
        """The steps of all its runs."""
        recipe = self.entry.recipe
        return self.num_runs * recipe.epochs * max(len(self.train) // recipe.batch_size, 1)


@dataclass(frozen=True)
class Plan:
    """`num_jobs` at once on `threads` threads each, and the seconds of a step that speak for it.

    The seconds are by threads. With `num_jobs` 0 the engine decides.
    """

    num_jobs: int
    threads: int
    step_seconds: Mapping[int, float] = field(default_factory=dict)

    def __str__(self) -> str:
        at_once = f"{self.num_jobs} at once" if self.num_jobs else "as many at once as have room"
        return f"{at_once}, {self.describe_threads(' each')}"

    def describe_threads(self, whose: str = "") -> str:
        """The threads and what was measured: "1 thread; ms a step by threads: 21.3 on 2, ..."."""
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        steps = [f"{1000 * value:.1f} on {key}" for key, value in self.step_seconds.items()]
        measured = f"; ms a step by threads: {', '.join(steps)}" if steps else ""
        return f"{threads}{whose}{measured}"


def count_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def plan_as_asked(options: Namespace) -> Plan:
    """The plan that `--jobs`, `--threads` and `--ray` ask for.

    By default a training on this machine has its share of the cores, and one on a cluster has one.
    """
    if options.ray is not None:
        return Plan(options.jobs or 0, options.threads or 1)
    cores = count_cores()
    num_jobs = options.jobs or max(cores // (options.threads or 1), 1)
    return Plan(num_jobs, options.threads or max(cores // num_jobs, 1))


def choose_plan(
    loads: list[Load], cores: int, measure: Callable[[Load, int, float], float] | None = None
) -> Plan:
    """The plan by which all runs take the least time, from short measurements on each entry.

    Threads are 1, 2, 4 and so on up to `cores`. The seconds are those of a mean step.
    `measure` is called as `measure_step`, the default.
    """
    measure = measure or measure_step
    num_runs = sum(load.num_runs for load in loads)
    total = sum(load.steps for load in loads)
    best = Plan(min(cores, num_runs), 1)
    least = float("inf")
    seconds: dict[int, float] = {}
    threads = 1
    while threads <= cores and total:
        num_jobs = min(cores // threads, num_runs)
        limit = least * num_jobs  # above it, this number of threads is no better
        cost = 0.0
        for load in loads:
            cost += load.steps * measure(load, threads, (limit - cost) / load.steps)
        seconds[threads] = cost / total
        if cost / num_jobs < least:
            least = cost / num_jobs
            best = Plan(num_jobs, threads)
        threads *= 2
    return replace(best, step_seconds=seconds)


def find_threads(entry: Entry, train: Images, device: str) -> int:
    """The threads for a run: torch's, or fewer on a busy machine.

    Where fewer are taken a line says so. Those that the environment names are left alone, and so
    are those of a run on a GPU. Raises `NetworkError` where the network cannot be trained.
    """
    threads = torch.get_num_threads()
    if threads == 1 or device != "cpu" or not os.environ.keys().isdisjoint(THREADS):
        return threads
    check_trainable(entry, train.image)
    alone = replace(entry, recipe=replace(entry.recipe, teacher=None))
    plan = choose_threads(Load(alone, train, num_runs=1))
    if plan.threads != threads:
        print(f"the machine is busy: {plan.describe_threads()}", flush=True)
    return plan.threads


def choose_threads(load: Load, measure: Callable[[Load, int, float], float] | None = None) -> Plan:
    """The threads of one run: those that torch has, or half, or a quarter and so on.

    Fewer are taken where a step is clearly shorter on them, as it is beside a busy process, whose
    core a thread then waits for. On an idle machine the answer is the same each time: threads are
    part of a run. `measure` is called as `measure_step`, the default.
    """
    measure = measure or measure_step
    candidates = [torch.get_num_threads()]
    while candidates[-1] > 1:
        candidates.append(candidates[-1] // 2)
    seconds: dict[int, float] = {}
    for threads in reversed(candidates):  # where threads collapse, the shortest step is known
        seconds[threads] = measure(load, threads, min(seconds.values(), default=float("inf")))
    best = candidates[0]
    for threads in candidates:
        if seconds[threads] * CLEARLY <= seconds[best]:
            best = threads
    return Plan(1, best, seconds)


def measure_step(load: Load, threads: int, enough: float) -> float:
    """Seconds of a step of training on so many threads; at once where one takes over `enough`.

    The random state of this process is as before.
    """
    recipe = load.entry.recipe
    images = load.train[torch.arange(min(STEPS * recipe.batch_size, len(load.train)))]
    with on_threads(threads), torch.random.fork_rng():
        seconds: list[float] = []
        for _ in range(2):  # each an epoch of its own, as a recipe may have no more
            training = Training(load.entry, 0, images, images[:0], torch.device("cpu"))
            training.network.train()
            seconds.clear()
            began = time.perf_counter()
            for batch in training.batches():
                training.step(*batch)
                ended = time.perf_counter()
                seconds.append(ended - began)
                began = ended
                if len(seconds) > 1 and sum(seconds) / len(seconds) > 4 * enough:
                    return sum(seconds) / len(seconds)
    return sum(seconds) / len(seconds)
