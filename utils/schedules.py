"""The learning-rate schedules that a recipe can name, and the one object that runs them."""

import functools
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.optim import lr_scheduler

from torchbudget.declare.validation import INFINITY, check, check_counts, reject
from utils.averaging import SWA, Average

Scheduler = lr_scheduler.LRScheduler | lr_scheduler.ReduceLROnPlateau


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate moves; it carries the rate."""

    by_epoch: ClassVar[bool] = False
    """Whether it moves once an epoch, by the val loss, and not once a step."""
    counts_only: ClassVar[bool] = False
    """Whether torch's scheduler computes the rate from the number of steps alone."""

    @property
    def base_lr(self) -> float:
        """The rate that the optimizer is built with; a schedule may begin at another one."""
        raise NotImplementedError

    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> Scheduler:
        """Torch's scheduler of `optimizer`, for a run of `steps` steps."""
        raise NotImplementedError

    def lr_range(self) -> tuple[float, float]:
        """The least and the greatest rate that it can reach."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """Up to `max_lr`, then down, along half a cosine each, a step a batch (Smith & Topin 2018).

    The rate starts at `max_lr / div_factor` and ends at that divided by `final_div_factor`. The
    momentum stays as it is.
    """

    counts_only = True
    max_lr: float = 0.1
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        check(
            self,
            max_lr=(1e-9, 1e3),
            pct_start=(0, 1),
            div_factor=(1, INFINITY),
            final_div_factor=(1, INFINITY),
        )

    @property
    def base_lr(self) -> float:
        return self.max_lr

    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.OneCycleLR:
        # torch divides by zero if the rise takes exactly one step
        pct_start = max(self.pct_start, 1.5 / (steps + 1))
        return lr_scheduler.OneCycleLR(
            optimizer,
            self.max_lr,
            total_steps=steps + 1,
            pct_start=pct_start,
            div_factor=self.div_factor,
            final_div_factor=self.final_div_factor,
            cycle_momentum=False,
        )

    def lr_range(self) -> tuple[float, float]:
        return self.max_lr / self.div_factor / self.final_div_factor, self.max_lr


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """From `lr` down to `min_lr` along half a cosine, a step a batch."""

    lr: float = 0.1
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        check(self, lr=(1e-9, 1e3), min_lr=(0, 1e3))
        if self.min_lr > self.lr:
            reject(self, f"min_lr {self.min_lr} is above lr {self.lr}")

    @property
    def base_lr(self) -> float:
        return self.lr

    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.CosineAnnealingLR:
        return lr_scheduler.CosineAnnealingLR(optimizer, steps, self.min_lr)

    def lr_range(self) -> tuple[float, float]:
        return self.min_lr, self.lr


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Schedule):
    """Times `factor` whenever the val loss has not fallen for more than `patience` epochs."""

    by_epoch = True
    lr: float = 1e-3
    factor: float = 0.1
    patience: int = 2

    def __post_init__(self) -> None:
        check(self, lr=(1e-9, 1e3), factor=(1e-6, 0.999999))
        check_counts(self, "patience", least=0)

    @property
    def base_lr(self) -> float:
        return self.lr

    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.ReduceLROnPlateau:
        return lr_scheduler.ReduceLROnPlateau(optimizer, factor=self.factor, patience=self.patience)

    def lr_range(self) -> tuple[float, float]:
        return 0.0, self.lr


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same learning rate throughout."""

    lr: float = 0.01

    def __post_init__(self) -> None:
        check(self, lr=(1e-9, 1e3))

    @property
    def base_lr(self) -> float:
        return self.lr

    def build(self, optimizer: torch.optim.Optimizer, steps: int) -> lr_scheduler.ConstantLR:
        return lr_scheduler.ConstantLR(optimizer, factor=1.0)

    def lr_range(self) -> tuple[float, float]:
        return self.lr, self.lr


class LearningRate:
    """The learning rate of `optimizer` in a run of `epochs` epochs of `steps_per_epoch` steps.

    `schedule` moves it; from the first epoch of an SWA average on, the rate of that average does.
    """

    def __init__(
        self,
        schedule: Schedule,
        average: Average | None,
        optimizer: torch.optim.Optimizer,
        epochs: int,
        steps_per_epoch: int,
    ) -> None:
        self.optimizer = optimizer
        self.by_epoch = schedule.by_epoch
        self.counts_only = schedule.counts_only
        self.scheduler = schedule.build(optimizer, epochs * steps_per_epoch)
        self.average = average if isinstance(average, SWA) else None
        self.steps_per_epoch = steps_per_epoch
        self.steps = 0
        self.swa: lr_scheduler.LRScheduler | None = None
        self._start_swa_if_due()

    def _start_swa_if_due(self) -> None:
        if self.average and self.steps == self.average.start_epoch * self.steps_per_epoch:
            self.swa = self.average.build_scheduler(self.optimizer, self.steps_per_epoch)

    @property
    def value(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def after_step(self) -> None:
        self.steps += 1
        if self.swa:
            self.swa.step()
        elif not self.by_epoch:
            self.scheduler.step()
        self._start_swa_if_due()

    def after_epoch(self, val_loss: float | None) -> None:
        if self.by_epoch and not self.swa:
            self.scheduler.step(val_loss)

    def fast_forward(self, steps: int) -> None:
        """Move to where `steps` steps of training lead.

        `ReduceOnPlateau` starts anew: the val losses so far are those of another schedule.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch warns of a schedule that steps alone
            if self.counts_only and not self.average and steps:
                self.steps += steps - 1
                self.scheduler.last_epoch += steps - 1
                steps = 1
            for _ in range(steps):
                self.after_step()

    def state_dict(self) -> dict[str, object]:
        state = {"steps": self.steps, "scheduler": self.scheduler.state_dict()}
        if self.swa:
            state["swa"] = self.swa.state_dict()
        return state

    def load_state_dict(self, state: dict) -> None:
        self.steps = state["steps"]
        self.scheduler.load_state_dict(state["scheduler"])
        if "swa" in state:
            self.swa = self.average.build_scheduler(self.optimizer, self.steps_per_epoch)
            self.swa.load_state_dict(state["swa"])


class RateHolder(torch.optim.Optimizer):
    """An optimizer of no weights, whose learning rate a schedule moves.

    Torch's own `__init__` is not called: it imports the compiler, for two seconds.
    """

    def __init__(self, lr: float) -> None:
        self.defaults = {"lr": lr, "momentum": 0.0}
        self.param_groups = [self.defaults | {"params": []}]

    def step(self, closure: object = None) -> None:
        """Move nothing."""


def replay_rates(
    schedule: Schedule,
    average: Average | None,
    steps_per_epoch: int,
    val_losses: Sequence[float | None],
) -> list[float]:
    """The rate at the end of each epoch of a run with these val losses, without a network.

    A schedule that moves by steps looks at no val loss, so the seeds of an entry share one replay.
    """
    losses = tuple(val_losses) if schedule.by_epoch else (None,) * len(val_losses)
    return list(_replay(schedule, average, steps_per_epoch, losses))


@functools.lru_cache
def _replay(
    schedule: Schedule,
    average: Average | None,
    steps_per_epoch: int,
    val_losses: tuple[float | None, ...],
) -> tuple[float, ...]:
    optimizer = RateHolder(schedule.base_lr)
    learning_rate = LearningRate(schedule, average, optimizer, len(val_losses), steps_per_epoch)
    rates = []
    for val_loss in val_losses:
        learning_rate.fast_forward(steps_per_epoch)
        learning_rate.after_epoch(val_loss)
        rates.append(learning_rate.value)
    return tuple(rates)


def reset_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the rate that `optimizer` was built with, and forget what a schedule made of it."""
    for group in optimizer.param_groups:
        group.pop("initial_lr", None)
        group["lr"] = lr
