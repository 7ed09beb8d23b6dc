"""Trials: what a change of recipe or network does to val, with several seeds.

A trial is given the training images alone; test images are not loaded. What it gives is kept in the
lab book (`utils.lab_book`), and no training that stands there is repeated.
"""

import ast
import hashlib
import inspect
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import torch

from torchbudget.data.images import Dataset, Images
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Ensemble, Entry, describe
from torchbudget.errors import UsageError
from torchbudget.evidence import machine
from torchbudget.evidence.measure import measure, on_threads
from torchbudget.evidence.record import Clock
from torchbudget.evidence.results import Hardware
from torchbudget.evidence.weights import load_shipped, round_weights
from torchbudget.network.structure import count_params, network_digest
from torchbudget.network.trace import build
from torchbudget.suggestion import suggest
from utils import checkpoint
from utils.checks import check_trainable
from utils.epochs import train_epochs
from utils.lab_book import Trial, add_to_book, find_seeds, is_from_here, read_book
from utils.lessons import Lessons
from utils.precision import choose_precision
from utils.recipe import Recipe
from utils.resume import resume_training
from utils.runs import RunPaths, find_trained, scale_val
from utils.teachers import open_lessons
from utils.throughput import find_threads
from utils.training import Training

LEVEL = 0.95
"""Probability that an interval holds the true difference."""


# --- what the command line says -------------------------------------------------------------------


def with_arguments(entry: Entry, words: Sequence[str]) -> tuple[Entry, list[str]]:
    """`entry` with its network called with the arguments of `words`, each "name=value".

    Second, what has changed, as "network.width=12". Raises `UsageError`.
    """
    parameters = inspect.signature(entry.network).parameters
    known = {name: part.default for name, part in parameters.items()}
    values = {}
    for word in words:
        name, sign, text = word.partition("=")
        name = name.replace("-", "_")
        if not sign or name not in known:
            hint = suggest(name, known)
            takes = ", ".join(known) or "none"
            raise UsageError(
                f"--network {word}: the form is NAME=VALUE, and NAME an argument of the network "
                f"of {entry.name}{hint}; it takes {takes}"
            )
        try:
            values[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
            raise UsageError(f"--network {word}: {text!r} is no number, text or tuple") from error
    changed = {name: value for name, value in values.items() if value != known[name]}
    if not changed:
        return entry, []
    return (
        replace(entry, network=partial(entry.network, **changed)),
        [f"network.{name}={value}" for name, value in changed.items()],
    )


def check_triable(entry: Entry) -> None:
    """Raises `UsageError` where nothing of an entry can be tried on val."""
    if isinstance(entry, Ensemble):
        raise UsageError(f"{entry.name} is an ensemble and is not trained; try its members")
    if not isinstance(entry.recipe, Recipe):
        raise UsageError(f"{entry.name} declares no recipe that this program can train it by")
    if not entry.recipe.val_images:
        raise UsageError(
            f"{entry.name} holds out no val images, and a trial is judged by nothing else; "
            "give --recipe.val-images 5000"
        )


# --- training -------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Laboratory:
    """Where trials are made: the images without test, the device, the book, what lies where.

    `command` is what made them, `folder` the zoo file's. Without `threads`, a training has those of
    torch, or fewer on a busy machine.
    """

    dataset: Dataset
    device: str
    book: Path
    paths: RunPaths
    command: str
    folder: Path
    threads: int | None = None

    def split(self, entry: Entry) -> tuple[Images, Images]:
        """The images that `entry` trains on and is judged by; raises `UsageError` for none."""
        train, val = split_train_val(self.dataset, scale_val(entry, self.dataset))
        if not len(val):
            raise UsageError(f"{self.dataset.name} is too small to hold out val images of it")
        return train, val

    def plan(self, entry: Entry, overrides: list[str]) -> Trial:
        """The trial of `entry` as it would stand in the book, without a seed."""
        train, val = self.split(entry)
        check_trainable(entry, self.dataset.image)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = build(entry.network)
        return Trial(
            entry=entry.name,
            seeds=[],
            misses=[],
            val_images=len(val),
            seconds=[],
            overrides=overrides,
            params=count_params(network),
            dataset=self.dataset.name,
            train_images=len(train),
            precision=choose_precision(entry.recipe.amp, torch.device(self.device)),
            network=network_digest(network, self.dataset.image),
            initial=digest_tensors(network.state_dict()),
            train=train.digest,
            val=val.digest,
            recipe=describe(entry.recipe),
            views=describe(entry.views),
            stored=entry.stored,
            teacher=self.digest_teacher(entry),
            started=Clock.start().started,
            commit=machine.commit(self.folder),
            versions=machine.versions(),
            hardware=Hardware(**machine.hardware(self.device)),
            command=self.command,
        )

    def digest_teacher(self, entry: Entry) -> dict[str, str]:
        """The digests of the weights that teach `entry`, by their runs' names; raises as a run."""
        lessons = self.open_lessons(entry)
        return lessons.record.weights if lessons else {}

    def open_lessons(self, entry: Entry) -> Lessons | None:
        return open_lessons(entry, self.dataset, *self.split(entry), self.paths, self.device)

    def run(self, entry: Entry, overrides: list[str], seeds: tuple[int, ...]) -> Trial:
        """Train what the book lacks of `seeds`, a line in the book after each; all of them.

        A seed whose run is shipped and was trained so is measured, not trained again. Raises
        `Diverged`, `NetworkError`, `WeightsError`, `CheckpointError` and `ResultsError`.
        """
        plan = self.plan(entry, overrides)
        limit = entry.budget.max_params
        budget = f" (the budget is fewer than {limit:,})" if limit and plan.params >= limit else ""
        print(
            f"{describe_trial(plan)}: {plan.params:,} parameters{budget}\n"
            f"{plan.train_images:,} training and {plan.val_images:,} val images of {plan.dataset}",
            flush=True,
        )
        for seed in seeds:
            found = find_seeds(read_book(self.book), plan, (seed,))
            if found is None and (found := self.measure_shipped(entry, plan, seed)):
                add_to_book(self.book, found)
                origin = "by the shipped weights"
            elif found is None:
                found = self.train(entry, plan, seed)
                add_to_book(self.book, found)
                origin = f"{found.seconds[0]:.0f} s"
            else:
                origin = "in the lab book"
                if not is_from_here(found, plan):
                    origin += f", trained on {found.hardware.device}"
            print(
                f"{describe_trial(plan)}, seed {seed}: {found.misses[0]} val misses of "
                f"{found.val_images:,} ({origin})",
                flush=True,
            )
        known = find_seeds(read_book(self.book), plan, seeds)
        assert known is not None
        return msgspec.structs.replace(known, entry=entry.name, overrides=overrides)

    def measure_shipped(self, entry: Entry, plan: Trial, seed: int) -> Trial | None:
        """`plan` with one seed, by the weights of the shipped run, if that was trained so."""
        store = self.paths.shipped
        run = find_trained(entry, seed, self.dataset.name, store)
        if run is None or run.train_seconds is None:
            return None
        trained = (run.digests.train, run.digests.val, run.precision)
        if trained != (plan.train, plan.val, plan.precision):
            return None
        _, val = self.split(entry)
        network = load_shipped(entry, seed, store.weights, self.dataset.name)
        return msgspec.structs.replace(
            plan,
            seeds=[seed],
            misses=[measure(network, val, views=entry.views).misses],
            seconds=[run.train_seconds],
            started=run.started,
            versions=run.versions,
            hardware=run.hardware,
        )

    def train(self, entry: Entry, plan: Trial, seed: int) -> Trial:
        """`plan` with one seed, trained from its newest checkpoint, if an earlier command left one.

        The weights are rounded as they would be stored, and not kept.
        """
        train, val = self.split(entry)
        started = Clock.start().started
        folder = self.paths.checkpoints / f"trial-{entry.name}-{plan.digest[:16]}-seed{seed}"
        begun = bool(checkpoint.list_checkpoints(folder))
        kept = torch.get_num_threads() if self.threads or begun else None
        with on_threads(kept or find_threads(entry, train, self.device)):
            lessons = self.open_lessons(entry)
            training = Training(entry, seed, train, val, torch.device(self.device), lessons)
        if begun:
            resume_training(training, folder)
        with on_threads(training.threads):
            train_epochs(training, folder, [])
            hardware = Hardware(**machine.hardware(self.device))
        network = round_weights(training.final_network(), entry.stored)
        misses = measure(network, val, views=entry.views).misses
        checkpoint.clear_checkpoints(folder)
        folder.rmdir()
        return msgspec.structs.replace(
            plan,
            seeds=[seed],
            misses=[misses],
            seconds=[round(training.seconds, 3)],
            started=started,
            hardware=hardware,
        )


def digest_tensors(state: dict[str, torch.Tensor]) -> str:
    """SHA-256 of the names and numbers of a state dict."""
    sha = hashlib.sha256()
    for name, tensor in state.items():
        sha.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        sha.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha.hexdigest()


# --- what is found --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """The mean difference of misses, seed by seed, and the ends of its 95 % interval.

    By Student's t over the seeds; the ends are None for a single seed.
    """

    mean: float
    low: float | None
    high: float | None
    num_seeds: int


def check_comparable(trial: Trial, other: Trial) -> None:
    """Raises `UsageError` where two trials are not judged by the same images."""
    if trial.val != other.val:
        raise UsageError(
            f"{describe_trial(trial)} and {describe_trial(other)} hold out other val images: "
            f"{trial.val_images:,} and {other.val_images:,}"
        )


def compare(trial: Trial, other: Trial) -> Difference:
    """How many more val images `trial` misses than `other`, over the seeds that both have.

    Raises `UsageError` where the two were not judged by the same images, or share no seed.
    """
    check_comparable(trial, other)
    shared = sorted(trial.by_seed.keys() & other.by_seed.keys())
    if not shared:
        raise UsageError(f"{describe_trial(trial)} and {describe_trial(other)} share no seed")
    differences = [trial.by_seed[seed] - other.by_seed[seed] for seed in shared]
    mean = statistics.mean(differences)
    if len(shared) == 1:
        return Difference(mean, None, None, 1)
    reach = find_reach(differences)
    return Difference(mean, mean - reach, mean + reach, len(shared))


def find_reach(values: Sequence[float]) -> float:
    """How far the interval of the mean of two or more values goes on each side (Student's t)."""
    from scipy.stats import t

    error = statistics.stdev(values) / len(values) ** 0.5
    return float(t.ppf((1 + LEVEL) / 2, len(values) - 1)) * error


def describe_trial(trial: Trial) -> str:
    """An entry, and what of it was changed."""
    return " ".join([trial.entry, *trial.overrides])


def describe_misses(trial: Trial) -> str:
    """Mean and standard deviation of a trial's misses, in a line."""
    mean = f"mean {trial.mean:.1f} val misses of {trial.val_images:,}"
    if trial.deviation is None:
        return f"{mean}, 1 seed"
    return f"{mean}, sd {trial.deviation:.1f}, {len(trial.seeds)} seeds"


def describe_difference(difference: Difference) -> str:
    """The difference with its interval, and what it says, in a line."""
    if difference.low is None or difference.high is None:
        return f"difference {difference.mean:+.1f}; an interval needs two seeds"
    says = "none is shown"
    if difference.high < 0:
        says = "fewer misses"
    elif difference.low > 0:
        says = "more misses"
    return (
        f"difference {difference.mean:+.1f}, 95 % interval {difference.low:+.1f} to "
        f"{difference.high:+.1f} over {difference.num_seeds} seeds: {says}"
    )
