"""Which weights a run ends with: the last ones, or an average that a recipe names."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

from torchbudget.declare.validation import check, check_counts


@dataclass(frozen=True, kw_only=True)
class Average:
    """An average of a run's weights, in place of the last ones."""

    def build(self, network: nn.Module) -> AveragedModel:
        """Torch's averaged copy of `network`, as yet without weights in it."""
        raise NotImplementedError

    def is_due_after_step(self) -> bool:
        """Whether the weights after each step enter."""
        return False

    def is_due_after_epoch(self, epoch: int) -> bool:
        """Whether the weights at the end of `epoch`, 0-based, enter."""
        return False


@dataclass(frozen=True, kw_only=True)
class EMA(Average):
    """Exponential moving average of the weights after each step.

    The decay after t averages is min(decay, (1 + t) / (10 + t)): early steps count less, so that a
    short run does not end with the weights it began with. BatchNorm gets fresh statistics at the
    end.
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        check(self, decay=(0, 0.999999))

    def build(self, network: nn.Module) -> AveragedModel:
        return AveragedModel(network, multi_avg_fn=self.update)

    def update(
        self, averaged: list[torch.Tensor], current: list[torch.Tensor], num_averaged: torch.Tensor
    ) -> None:
        """Move the weights `averaged`, in place, towards `current`."""
        count = num_averaged.item()
        decay = min(self.decay, (1 + count) / (10 + count))
        get_ema_multi_avg_fn(decay)(averaged, current, num_averaged)

    def is_due_after_step(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class SWA(Average):
    """Mean of the weights after each epoch from `start_epoch` (0-based) on (Izmailov et al. 2018).

    From that epoch on the learning rate is `lr`. BatchNorm gets fresh statistics at the end,
    `statistics_batch` images at a time.
    """

    start_epoch: int = 0
    lr: float = 0.01
    statistics_batch: int = 1_000

    def __post_init__(self) -> None:
        check_counts(self, "start_epoch", least=0)
        check_counts(self, "statistics_batch", least=2)
        check(self, lr=(1e-9, 1e3))

    def build(self, network: nn.Module) -> AveragedModel:
        return AveragedModel(network)

    def build_scheduler(
        self, optimizer: torch.optim.Optimizer, steps_per_epoch: int
    ) -> LRScheduler:
        """Moves the rate of `optimizer` to `lr` within an epoch, and keeps it there."""
        return SWALR(optimizer, self.lr, anneal_epochs=steps_per_epoch)

    def is_due_after_epoch(self, epoch: int) -> bool:
        return epoch >= self.start_epoch


class Averager:
    """Keeps the average of the weights of `network` while it trains; without one, does nothing."""

    def __init__(self, average: Average | None, network: nn.Module) -> None:
        self.average = average
        self.network = network
        self.model = average.build(network) if average else None

    def after_step(self) -> None:
        if self.model and self.average.is_due_after_step():
            self.model.update_parameters(self.network)

    def after_epoch(self, epoch: int) -> None:
        if self.model and self.average.is_due_after_epoch(epoch):
            self.model.update_parameters(self.network)

    def averaged(self) -> nn.Module | None:
        """The averaged network before its BatchNorm pass; None as long as nothing has entered."""
        return self.model.module if self.model and self.model.n_averaged else None

    def final_network(self, batches: Iterable[torch.Tensor]) -> nn.Module:
        """The network that is judged.

        An averaged one first gets BatchNorm statistics of its own from `batches` (N, C, H, W) of
        normalised training images.
        """
        if not self.averaged():
            return self.network
        update_bn(batches, self.model)
        return self.model.module

    def state_dict(self) -> dict[str, object]:
        return self.model.state_dict() if self.model else {}

    def load_state_dict(self, state: dict) -> None:
        if self.model:
            self.model.load_state_dict(state)
