"""Optimisers, schedules, averaging and precision: what a recipe declares, made into torch's objects.

A disabled feature is an object that does nothing, not a branch in the training loop.
"""

import math
import warnings
from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

from utils.recipe import EMA, SWA, Recipe
from utils.steps import SGD, Constant, Cosine, OneCycle, ReduceOnPlateau


def make_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """The recipe's optimiser over all trainable parameters; biases and norms form a group of their own. Lookahead is pytorch_optimizer's."""
    optimizer = _make_base_optimizer(recipe, network)
    if not recipe.lookahead:
        return optimizer
    from pytorch_optimizer import Lookahead

    return Lookahead(optimizer, k=recipe.lookahead.k, alpha=recipe.lookahead.alpha)


def _make_base_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    declared = recipe.optimizer
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in trainable if parameter.ndim > 1]},
        {"params": [parameter for parameter in trainable if parameter.ndim <= 1]}
        | ({} if declared.decay_all else {"weight_decay": 0.0}),
    ]
    lr = initial_lr(recipe)
    if isinstance(declared, SGD):
        return torch.optim.SGD(
            groups,
            lr,
            declared.momentum,
            nesterov=declared.nesterov,
            weight_decay=declared.weight_decay,
            fused=True,
        )
    adam = torch.optim.AdamW if declared.decoupled else torch.optim.Adam
    return adam(
        groups, lr, (declared.beta1, declared.beta2), weight_decay=declared.weight_decay, fused=True
    )


def initial_lr(recipe: Recipe) -> float:
    """The rate that the optimiser is made with; the schedule sets its own first one."""
    return getattr(recipe.schedule, "lr", None) or recipe.schedule.max_lr


class Schedule:
    """Moves the learning rate: `after_step` each batch, `after_epoch` each epoch. SWA's own rate takes over from its first epoch."""

    def __init__(
        self, recipe: Recipe, optimizer: torch.optim.Optimizer, steps_per_epoch: int
    ) -> None:
        declared, steps = recipe.schedule, recipe.epochs * steps_per_epoch
        self.per_step = self.plateau = self.swa = None
        self.swa_start = math.inf
        if isinstance(recipe.average, SWA):
            self.swa_start = recipe.average.start_epoch * steps_per_epoch
            self.swa_lr, self.swa_steps = recipe.average.lr, steps_per_epoch
        if isinstance(declared, OneCycle):
            self.per_step = lr_scheduler.OneCycleLR(
                optimizer,
                declared.max_lr,
                total_steps=steps + 1,
                pct_start=max(
                    declared.pct_start, 1.5 / (steps + 1)
                ),  # torch divides by zero where the rise has exactly one step
                div_factor=declared.div_factor,
                final_div_factor=declared.final_div_factor,
                cycle_momentum=False,
            )
        elif isinstance(declared, Cosine):
            self.per_step = lr_scheduler.CosineAnnealingLR(optimizer, steps, declared.min_lr)
        elif isinstance(declared, Constant):
            self.per_step = lr_scheduler.ConstantLR(optimizer, factor=1.0)
        elif isinstance(declared, ReduceOnPlateau):
            self.plateau = lr_scheduler.ReduceLROnPlateau(
                optimizer, factor=declared.factor, patience=declared.patience
            )
        self.optimizer = optimizer
        self.steps = 0
        self._enter_swa()

    def _enter_swa(self) -> None:
        if self.steps == self.swa_start:
            self.swa = SWALR(self.optimizer, self.swa_lr, anneal_epochs=self.swa_steps)

    @property
    def lr(self) -> float:
        return self.optimizer.param_groups[0]["lr"]

    def after_step(self) -> None:
        self.steps += 1
        if self.swa:
            self.swa.step()
        elif self.per_step:
            self.per_step.step()
        self._enter_swa()

    def after_epoch(self, val_loss: float | None) -> None:
        if self.plateau and not self.swa:
            self.plateau.step(val_loss)

    def _parts(self) -> dict[str, object]:
        return {
            name: part for name in ("per_step", "plateau", "swa") if (part := getattr(self, name))
        }

    def state_dict(self) -> dict:
        return {"steps": self.steps} | {
            name: part.state_dict() for name, part in self._parts().items()
        }

    def load_state_dict(self, state: dict) -> None:
        self.steps = state["steps"]
        if "swa" in state:
            self.swa = SWALR(self.optimizer, self.swa_lr, anneal_epochs=self.swa_steps)
        for name, part in self._parts().items():
            part.load_state_dict(state[name])


def restart_schedule(
    recipe: Recipe, optimizer: torch.optim.Optimizer, steps_per_epoch: int, steps: int
) -> Schedule:
    """The recipe's schedule at `steps`, as if it had run from the start, on an optimiser that another one has moved."""
    for group in optimizer.param_groups:
        group.pop("initial_lr", None)
        group["lr"] = initial_lr(recipe)
    schedule = Schedule(recipe, optimizer, steps_per_epoch)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of a schedule that steps before its optimiser
        for _ in range(steps):
            schedule.after_step()
    return schedule


class Averager:
    """The weights that a run ends with: the last ones, their EMA, or the mean of the last epochs' (SWA)."""

    def __init__(self, recipe: Recipe, network: nn.Module) -> None:
        self.network, self.declared = network, recipe.average
        self.model = None
        if isinstance(self.declared, EMA):
            self.model = AveragedModel(network, multi_avg_fn=self._average_exponentially)
        elif isinstance(self.declared, SWA):
            self.model = AveragedModel(network)

    def _average_exponentially(
        self, averaged: list[torch.Tensor], current: list[torch.Tensor], num_averaged: torch.Tensor
    ) -> None:
        """Early steps count less, so that a short run does not end with the weights it began with."""
        decay = min(self.declared.decay, (1 + num_averaged.item()) / (10 + num_averaged.item()))
        get_ema_multi_avg_fn(decay)(averaged, current, num_averaged)

    def after_step(self) -> None:
        if isinstance(self.declared, EMA):
            self.model.update_parameters(self.network)

    def after_epoch(self, epoch: int) -> None:
        if isinstance(self.declared, SWA) and epoch >= self.declared.start_epoch:
            self.model.update_parameters(self.network)

    def averaged(self) -> nn.Module | None:
        """The averaged network, before its BatchNorm pass; None while there is no average to speak of."""
        return self.model.module if self.model and self.model.n_averaged else None

    def final_network(self, batches: Iterable[torch.Tensor]) -> nn.Module:
        """The network that is judged; an averaged one first gets BatchNorm statistics of its own from `batches` (N, 1, 28, 28)."""
        if not self.averaged():
            return self.network
        update_bn(batches, self.model)
        return self.model.module

    def state_dict(self) -> dict:
        return self.model.state_dict() if self.model else {}

    def load_state_dict(self, state: dict) -> None:
        if self.model:
            self.model.load_state_dict(state)


def has_native_bf16(device: torch.device) -> bool:
    """Whether bf16 is faster than fp32 here rather than emulated: AVX-512 BF16 or AMX on CPUs, compute capability 8 on CUDA."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return (
        torch.backends.cpu.get_cpu_capability().startswith("AVX512")
        and torch.cpu._is_avx512_bf16_supported()
    )


def choose_precision(amp: str, device: torch.device) -> str:
    """What `Recipe.amp` comes to on `device`: "bf16" or "fp16" where it is native, else "fp32"."""
    if amp == "bf16" and has_native_bf16(device):
        return "bf16"
    if amp != "off" and device.type == "cuda":
        return "fp16"
    return "fp32"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """torch's autocast for "bf16" or "fp16"; inert for "fp32"."""
    return torch.autocast(
        device.type,
        torch.float16 if precision == "fp16" else torch.bfloat16,
        enabled=precision != "fp32",
    )
