"""A study of recipes: what a trial trains and is judged by, and the storage that lets a study go on, here or on many machines.

The objective is the misses of val by the final weights. Nothing here is given a test image.
"""

import hashlib
import re
import warnings

import optuna
import torch
from optuna.pruners import MedianPruner
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalRedisBackend
from optuna.trial import FrozenTrial, TrialState
from tqdm import tqdm

from torchbudget.data.images import Images
from torchbudget.declare.entry import changed_fields, describe
from torchbudget.errors import NetworkError
from torchbudget.evidence.measure import measure
from torchbudget.evidence.weights import round_weights
from torchbudget.network.structure import count_params
from torchbudget.network.trace import build
from utils.space import Space
from utils.training import Diverged, Training

HEARTBEAT, GRACE = (
    30,
    120,
)  # seconds: a trial silent for the second is taken for killed, and tried again


class StudyError(RuntimeError):
    """A study that cannot be opened, or is of another search; the message says what to do. `usage`: the words given were wrong."""

    def __init__(self, message: str, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage


class Objective:
    """Trains what a trial suggests, epoch by epoch; its value is the misses of `val`. Poor, infeasible and diverging trials are pruned."""

    def __init__(
        self, space: Space, seed: int, train: Images, val: Images, device: str = "cpu"
    ) -> None:
        self.space, self.seed, self.train, self.val, self.device = (
            space,
            seed,
            train,
            val,
            torch.device(device),
        )

    def __call__(self, trial: optuna.Trial) -> int:
        values = {name: _suggest(trial, name, each) for name, each in self.space.ranges.items()}
        try:
            return self.train_and_count(trial, values)
        except KeyboardInterrupt:
            trial.study.enqueue_trial(values)
            raise
        except (Diverged, NetworkError, ValueError, torch.OutOfMemoryError) as error:
            raise give_up(trial, str(error).splitlines()[0]) from error

    def train_and_count(self, trial: optuna.Trial, values: dict[str, float]) -> int:
        entry = self.space.apply(values)
        params, limit = count_params(build(entry.network)), entry.budget.max_params
        trial.set_constraint(
            "params", params - limit + 1
        )  # at most 0 is feasible, and the limit itself is not
        if params >= limit:
            raise give_up(trial, f"{params:,} parameters, the budget is fewer than {limit:,}")
        training = Training(entry, self.seed, self.train, self.val, self.device)
        for epoch in range(entry.recipe.epochs):
            training.epoch()
            misses = training.history[-1].val_misses
            trial.report(misses, epoch)
            if epoch + 1 < entry.recipe.epochs and trial.should_prune():
                raise give_up(
                    trial, f"{misses} misses after epoch {epoch + 1} of {entry.recipe.epochs}"
                )
        return measure(
            round_weights(training.final_network(), entry.stored), self.val, views=entry.views
        ).misses


def give_up(trial: optuna.Trial, why: str) -> optuna.TrialPruned:
    trial.set_user_attr("why", why)
    return optuna.TrialPruned(why)


def _suggest(trial: optuna.Trial, name: str, each) -> float:
    return (trial.suggest_int if each.whole else trial.suggest_float)(
        name, each.low, each.high, log=each.log
    )


class SeededSampler(BaseSampler):
    """TPE whose draws for a trial depend on `seed`, the trial's number and the trials before it alone.

    A study that stopped and went on is thus the one that never stopped, and machines that share one never draw alike.
    """

    def __init__(self, seed: int) -> None:
        self.seed, self.sampler = seed, TPESampler(seed=seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        digest = hashlib.sha256(f"{self.seed}:{trial.number}".encode()).digest()
        self.sampler = TPESampler(seed=int.from_bytes(digest[:4]))
        self.sampler.before_trial(study, trial)

    def infer_relative_search_space(self, *arguments):
        return self.sampler.infer_relative_search_space(*arguments)

    def sample_relative(self, *arguments):
        return self.sampler.sample_relative(*arguments)

    def sample_independent(self, *arguments):
        return self.sampler.sample_independent(*arguments)

    def after_trial(self, *arguments) -> None:
        self.sampler.after_trial(*arguments)


# --- the study --------------------------------------------------------------------------------------------------------


def open_storage(url: str) -> BaseStorage:
    """The Optuna storage at `url`: a database by SQLAlchemy's URLs, or Redis. Raises `StudyError`, which never repeats a URL: it may hold a password."""
    if not (scheme := re.match(r"(\w[\w+.-]*)://", url)):
        raise StudyError(
            "--storage takes a URL: sqlite:///study.db, postgresql://..., mysql://..., redis://...",
            usage=True,
        )
    try:
        if scheme[1].startswith("redis"):
            return JournalStorage(JournalRedisBackend(url))
        with warnings.catch_warnings(
            category=optuna.exceptions.ExperimentalWarning, action="ignore"
        ):
            return RDBStorage(
                url,
                heartbeat_interval=HEARTBEAT,
                grace_period=GRACE,
                heartbeat_stale_trial_callback=try_again,
            )
    except Exception as error:
        raise StudyError(
            f"the storage {scheme[1]}://... cannot be opened: {_line(error.__cause__ or error)}"
        ) from error


def try_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """Queue a trial whose process was killed, at most twice: it may be what killed it."""
    if sum(each.params == trial.params for each in study.get_trials(deepcopy=False)) < 3:
        study.enqueue_trial(trial.params)


def _line(error: BaseException) -> str:
    return str(error).splitlines()[0]


def describe_search(objective: Objective) -> dict[str, object]:
    """What all trials of one study have in common, as plain JSON."""
    entry = objective.space.entry
    return {
        "entry": entry.name,
        "recipe": describe(entry.recipe),
        "max_params": entry.budget.max_params,
        "seed": objective.seed,
        "train": objective.train.digest,
        "val": objective.val.digest,
        "space": {name: str(each) for name, each in objective.space.ranges.items()},
    }


def open_study(storage: BaseStorage, name: str, objective: Objective) -> optuna.Study:
    """The study `name`, made where there is none, its first trial the recipe as declared. Raises `StudyError` where it is of another search."""
    warmup = objective.space.entry.recipe.epochs // 4
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=SeededSampler(objective.seed),
        pruner=MedianPruner(n_startup_trials=5, n_warmup_steps=warmup),
        load_if_exists=True,
    )
    now = describe_search(objective)
    was = study.user_attrs.get("search", now)
    if changes := changed_fields(was, now):
        field, then, given = changes[0]
        raise StudyError(
            f"study {name} has {field} {then}, this search {given}: name another with --study, or search as it did",
            usage=True,
        )
    study.set_user_attr("search", now)
    if not study.get_trials(deepcopy=False) and objective.space.holds_declared:
        study.enqueue_trial(objective.space.declared)
    return study


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that came to an end of their own, completed or pruned."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """The feasible trial with the fewest misses, of equals the first."""
    complete = [
        trial
        for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if max(trial.constraints.values(), default=0) <= 0
    ]
    return min(complete, key=lambda trial: (trial.value, trial.number), default=None)


def find_importances(study: optuna.Study) -> dict[str, float]:
    """Share of each number in reaching the best tenth of the completed trials (PED-ANOVA, Watanabe et al. 2023); empty while there are too few."""
    with warnings.catch_warnings(action="ignore"):
        shares = optuna.importance.get_param_importances(study) if best_trial(study) else {}
    return shares if any(shares.values()) else {}


def run_trials(study: optuna.Study, objective: Objective, trials: int) -> None:
    """Bring the study to `trials` finished ones, a line for each; other machines' count as they come in."""
    done = len(finished(study))
    with tqdm(
        total=trials,
        initial=min(done, trials),
        desc=objective.space.entry.name,
        unit="trial",
        disable=None,
    ) as bar:
        while done < trials:
            study.optimize(
                objective,
                n_trials=1,
                callbacks=[
                    lambda _, trial: bar.write(describe_trial(trial, study, len(objective.val)))
                ],
            )
            done = len(finished(study))
            bar.update(min(done, trials) - bar.n)


def describe_trial(trial: FrozenTrial, study: optuna.Study, num_val: int) -> str:
    best = best_trial(study)
    end = (
        f"{trial.value:.0f} val misses of {num_val:,}"
        if trial.state is TrialState.COMPLETE
        else f"pruned: {trial.user_attrs.get('why')}"
    )
    return f"trial {trial.number:>3}  {end}" + (
        f"; best {best.value:.0f}, trial {best.number}" if best else ""
    )
