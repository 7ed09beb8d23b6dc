"""A study of recipes: what a trial trains and is judged by, and the storage that holds the study.

The storage lets a study continue, on this machine or on several at once. The objective is the
number of val images that the final weights miss. Nothing here is given a test image.
"""

import hashlib
import re
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import optuna
import torch
from optuna.distributions import BaseDistribution
from optuna.pruners import MedianPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from torchbudget.data.images import Images
from torchbudget.declare.entry import Entry, changed_fields, describe
from torchbudget.errors import EXIT_USAGE, TorchBudgetError, UsageError
from torchbudget.network.structure import count_params
from torchbudget.network.trace import build
from torchbudget.reading import reading
from torchbudget.report.text import first_line
from utils.lessons import Lessons
from utils.objective import UNUSABLE, train_and_count
from utils.space import Range, Space
from utils.training import Training

DATABASES = ("sqlite", "postgresql", "mysql", "mariadb")
"""Storages whose content is plain values; a driver may follow, as in mysql+pymysql."""
HEARTBEAT_SECONDS = 30
GRACE_SECONDS = 120
"""A trial that is silent for this long counts as killed, and is tried again."""


class StudyError(TorchBudgetError):
    """A study that cannot be opened; the message says what to do."""


class StudyUsageError(StudyError, UsageError):
    """Options that do not fit the study: no URL, or the name of another search's study."""

    exit_code = EXIT_USAGE


class Objective:
    """Trains what a trial suggests; its value is the misses of `val` by the final weights.

    Poor, infeasible and diverging trials are pruned. `teach` gives the lessons of an entry.
    """

    def __init__(
        self,
        space: Space,
        seed: int,
        train: Images,
        val: Images,
        device: str = "cpu",
        teach: Callable[[Entry], Lessons | None] = lambda entry: None,
    ) -> None:
        self.space = space
        self.seed = seed
        self.train = train
        self.val = val
        self.device = torch.device(device)
        self.teach = teach

    def __call__(self, trial: optuna.Trial) -> int:
        values = {
            name: suggest(trial, name, interval) for name, interval in self.space.ranges.items()
        }
        try:
            return self.train_and_count(trial, values)
        except KeyboardInterrupt:
            trial.study.enqueue_trial(values)
            raise
        except UNUSABLE as error:
            raise prune(trial, first_line(error)) from error

    def train_and_count(self, trial: optuna.Trial, values: dict[str, float]) -> int:
        """Train the recipe with `values`, and count the misses. Raises `optuna.TrialPruned`."""
        entry = self.space.apply(values)
        self.check_size(trial, entry)
        epochs = entry.recipe.epochs

        def judge(training: Training) -> None:
            why = judge_epoch(trial, len(training.history), epochs, training.history[-1].val_misses)
            if why:
                raise prune(trial, why)

        lessons = self.teach(entry)
        return train_and_count(entry, self.seed, self.train, self.val, self.device, judge, lessons)

    def check_size(self, trial: optuna.Trial, entry: Entry) -> None:
        """Prune `trial` if its network has as many parameters as its budget forbids."""
        params = count_params(build(entry.network))
        limit = entry.budget.max_params
        # Optuna takes a constraint of at most 0 for feasible; the limit itself is not.
        trial.set_constraint("params", params - limit + 1)
        if params >= limit:
            raise prune(trial, f"{params:,} parameters, the budget is fewer than {limit:,}")


def judge_epoch(trial: optuna.Trial, done: int, epochs: int, misses: int) -> str:
    """Tell the study the misses after `done` epochs; why the trial is pruned, "" if it goes on."""
    trial.report(misses, done - 1)
    if done < epochs and trial.should_prune():
        return f"{misses} misses after epoch {done} of {epochs}"
    return ""


def prune(trial: optuna.Trial, why: str) -> optuna.TrialPruned:
    """The exception that ends `trial`, which keeps the reason."""
    trial.set_user_attr("why", why)
    return optuna.TrialPruned(why)


def suggest(trial: optuna.Trial, name: str, interval: Range) -> float:
    """The value that `trial` suggests for the number `name`."""
    draw = trial.suggest_int if interval.whole else trial.suggest_float
    return draw(name, interval.low, interval.high, log=interval.log)


class SeededSampler(BaseSampler):
    """TPE whose draws for a trial depend only on `seed`, on its number and on earlier trials.

    A resumed study makes the same draws as an uninterrupted one, and parallel machines never repeat
    a draw.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.sampler = TPESampler(seed=seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        digest = hashlib.sha256(f"{self.seed}:{trial.number}".encode()).digest()
        self.sampler = TPESampler(seed=int.from_bytes(digest[:4]))
        self.sampler.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        return self.sampler.infer_relative_search_space(study, trial)

    def sample_relative(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        return self.sampler.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        return self.sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        self.sampler.after_trial(study, trial, state, values)


# --- the study ----------------------------------------------------------------------------------


def open_storage(url: str) -> BaseStorage:
    """The Optuna storage at `url`: a database by SQLAlchemy's URLs.

    Raises `StudyError`, which never repeats a URL: it may hold a password. A storage that unpickles
    what it holds is refused, as Redis is: whoever can write there could run code here.
    """
    scheme = re.match(r"(\w[\w+.-]*)://", url)
    if not scheme:
        raise StudyUsageError(
            "--storage takes a URL: sqlite:///study.db, postgresql://..., mysql://..."
        )
    if scheme[1].partition("+")[0] not in DATABASES:
        raise StudyUsageError(
            f"the storage {scheme[1]}://... is none of {', '.join(DATABASES)}, which hold plain "
            "values; others may hold pickles, which could run code here"
        )
    try:
        with warnings.catch_warnings(
            category=optuna.exceptions.ExperimentalWarning, action="ignore"
        ):
            return RDBStorage(
                url,
                heartbeat_interval=HEARTBEAT_SECONDS,
                grace_period=GRACE_SECONDS,
                heartbeat_stale_trial_callback=retry_trial,
            )
    except Exception as error:
        reason = first_line(error.__cause__ or error)
        raise StudyError(f"the storage {scheme[1]}://... cannot be opened: {reason}") from error


def retry_trial(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial whose process was killed, at most twice: the trial may have killed it."""
    tries = [other for other in study.get_trials(deepcopy=False) if other.params == trial.params]
    if len(tries) < 3:
        study.enqueue_trial(trial.params)


def describe_search(objective: Objective) -> dict[str, object]:
    """What all trials of a study have in common, as plain JSON."""
    entry = objective.space.entry
    return {
        "entry": entry.name,
        "recipe": describe(entry.recipe),
        "max_params": entry.budget.max_params,
        "seed": objective.seed,
        "train": objective.train.digest,
        "val": objective.val.digest,
        "space": {name: str(interval) for name, interval in objective.space.ranges.items()},
    }


def open_study(storage: BaseStorage, name: str, objective: Objective) -> optuna.Study:
    """The study `name`; a new one begins with the recipe as declared.

    Raises `StudyUsageError` if the study is of another search.
    """
    with reading_study(name):
        return _open_study(storage, name, objective)


def reading_study(name: str) -> AbstractContextManager[None]:
    """The boundary inside which a stored study is read; see `reading`."""
    advice = "name another with --study, or restore its storage"
    return reading(f"study {name}", StudyError, "is damaged", advice)


def _open_study(storage: BaseStorage, name: str, objective: Objective) -> optuna.Study:
    warmup = objective.space.entry.recipe.epochs // 4
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=SeededSampler(objective.seed),
        pruner=MedianPruner(n_startup_trials=5, n_warmup_steps=warmup),
        load_if_exists=True,
    )
    described = describe_search(objective)
    changes = changed_fields(study.user_attrs.get("search", described), described)
    if changes:
        field, then, now = changes[0]
        raise StudyUsageError(
            f"study {name} has {field} {then}, this search {now}: "
            "name another with --study, or search as it did"
        )
    study.set_user_attr("search", described)
    if not study.get_trials(deepcopy=False) and objective.space.holds_declared:
        study.enqueue_trial(objective.space.declared)
    for trial in study.get_trials():
        describe_trial(trial, study, len(objective.val))  # reads what a search goes by later
    return study


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that were completed or pruned, not those that failed or were interrupted."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The feasible completed trial with the fewest misses; of several, the first."""
    complete = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if max(trial.constraints.values(), default=0) <= 0
    ]
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)


def find_importances(study: optuna.Study) -> dict[str, float]:
    """How much each number decides whether a trial is in the best tenth, as shares of 1.

    PED-ANOVA (Watanabe et al. 2023) over the completed trials; empty while there are too few.
    """
    with warnings.catch_warnings(action="ignore"):
        shares = optuna.importance.get_param_importances(study) if best_trial(study) else {}
    return shares if any(shares.values()) else {}


def run_trials(study: optuna.Study, objective: Objective, num_trials: int) -> None:
    """Bring the study to `num_trials` finished ones, a line for each.

    Trials of other machines that share the study count, too.
    """

    def report(study: optuna.Study, trial: FrozenTrial) -> None:
        bar.write(describe_trial(trial, study, len(objective.val)))

    done = len(finished(study))
    with tqdm(
        total=num_trials,
        initial=min(done, num_trials),
        desc=objective.space.entry.name,
        unit="trial",
        disable=None,
    ) as bar:
        while done < num_trials:
            study.optimize(objective, n_trials=1, callbacks=[report])
            done = len(finished(study))
            bar.update(min(done, num_trials) - bar.n)


def describe_trial(trial: FrozenTrial, study: optuna.Study, num_val: int) -> str:
    """How `trial` ended, and the best trial so far, in a line."""
    if trial.state is TrialState.COMPLETE:
        end = f"{trial.value:.0f} val misses of {num_val:,}"
    else:
        end = f"pruned: {trial.user_attrs.get('why')}"
    line = f"trial {trial.number:>3}  {end}"
    best = best_trial(study)
    return f"{line}; best {best.value:.0f}, trial {best.number}" if best else line
