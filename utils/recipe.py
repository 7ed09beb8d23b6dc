"""All that is chosen about training but seed and device. A variant is a value of its own kind, checked when it is made."""

from dataclasses import dataclass
from typing import Literal

from utils.augmentations import Augmentation
from utils.bounds import INFINITY, check, check_counts, check_kind, reject

# --- optimisers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What turns gradients into steps."""


@dataclass(frozen=True, kw_only=True)
class SGD(Optimizer):
    """Stochastic gradient descent (Sutskever et al. 2013 for the Nesterov form). `decay_all=False` spares biases and norms."""

    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    decay_all: bool = True

    def __post_init__(self) -> None:
        check(self, momentum=(0, 0.9999), weight_decay=(0, 1))
        check_kind(self, bool, "nesterov", "decay_all")
        if self.nesterov and not self.momentum:
            reject(self, "nesterov needs a momentum above 0")


@dataclass(frozen=True, kw_only=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015); `decoupled=True` makes it AdamW (Loshchilov & Hutter 2019)."""

    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    decoupled: bool = False
    decay_all: bool = True

    def __post_init__(self) -> None:
        check(self, beta1=(0, 0.9999), beta2=(0, 0.999999), weight_decay=(0, 1))
        check_kind(self, bool, "decoupled", "decay_all")


# --- learning-rate schedules ------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How the learning rate moves; it carries the rate."""


@dataclass(frozen=True, kw_only=True)
class OneCycle(Schedule):
    """`torch.optim.lr_scheduler.OneCycleLR`, cosine, a step a batch (Smith & Topin 2018). The momentum stays as it is."""

    max_lr: float = 0.1
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4

    def __post_init__(self) -> None:
        check(self, max_lr=(1e-9, 1e3), pct_start=(0, 1), div_factor=(1, INFINITY), final_div_factor=(1, INFINITY))


@dataclass(frozen=True, kw_only=True)
class Cosine(Schedule):
    """From `lr` down to `min_lr` along half a cosine, a step a batch."""

    lr: float = 0.1
    min_lr: float = 0.0

    def __post_init__(self) -> None:
        check(self, lr=(1e-9, 1e3), min_lr=(0, 1e3))
        if self.min_lr > self.lr:
            reject(self, f"min_lr {self.min_lr} is above lr {self.lr}")


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateau(Schedule):
    """Times `factor` when the val loss did not fall for more than `patience` epochs (`torch.optim.lr_scheduler.ReduceLROnPlateau`)."""

    lr: float = 1e-3
    factor: float = 0.1
    patience: int = 2

    def __post_init__(self) -> None:
        check(self, lr=(1e-9, 1e3), factor=(1e-6, 0.999999))
        check_counts(self, "patience", least=0)


@dataclass(frozen=True, kw_only=True)
class Constant(Schedule):
    """The same learning rate throughout."""

    lr: float = 0.01

    def __post_init__(self) -> None:
        check(self, lr=(1e-9, 1e3))


# --- weight averaging -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Average:
    """Which weights a run ends with, where not the last."""


@dataclass(frozen=True, kw_only=True)
class EMA(Average):
    """Exponential moving average of the weights, a step a batch; BatchNorm gets fresh statistics at the end.

    The decay after t averages is min(decay, (1 + t) / (10 + t)).
    """

    decay: float = 0.999

    def __post_init__(self) -> None:
        check(self, decay=(0, 0.999999))


@dataclass(frozen=True, kw_only=True)
class SWA(Average):
    """Mean of the weights after each epoch from `start_epoch` (0-based) on, at learning rate `lr` (Izmailov et al. 2018)."""

    start_epoch: int = 0
    lr: float = 0.01

    def __post_init__(self) -> None:
        check_counts(self, "start_epoch", least=0)
        check(self, lr=(1e-9, 1e3))


# --- recipe ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that is chosen about training but seed and device. `augment` is applied in its order, a batch at a time."""

    epochs: int
    batch_size: int
    optimizer: Optimizer
    schedule: Schedule
    augment: tuple[Augmentation, ...] = ()
    average: Average | None = None
    amp: Literal["off", "bf16", "fp16"] = "bf16"
    label_smoothing: float = 0.0
    clip_norm: float | None = None
    channels_last: bool = True
    val_images: int = 5_000

    def __post_init__(self) -> None:
        check_counts(self, "epochs", "batch_size")
        check_counts(self, "val_images", least=0)
        check(self, label_smoothing=(0, 0.999))
        check_kind(self, bool, "channels_last")
        if self.batch_size < 2:
            reject(self, "batch_size must be at least 2: BatchNorm needs two images")
        if self.clip_norm is not None:
            check(self, clip_norm=(1e-9, INFINITY))
        if self.amp not in ("off", "bf16", "fp16"):
            reject(self, f"amp must be off, bf16 or fp16, not {self.amp!r}")
        check_kind(self, tuple, "augment")
        for name, kind in (("optimizer", Optimizer), ("schedule", Schedule), ("average", Average | None)):
            if not isinstance(getattr(self, name), kind):
                reject(self, f"{name} must be an instance of {kind}, not {getattr(self, name)!r}")
        for augmentation in self.augment:
            if not isinstance(augmentation, Augmentation):
                reject(self, f"augment holds {augmentation!r}, which is no augmentation")
        if isinstance(self.average, SWA) and self.average.start_epoch >= self.epochs:
            reject(self, f"average.start_epoch {self.average.start_epoch} is past epochs {self.epochs}")
        if isinstance(self.schedule, ReduceOnPlateau) and not self.val_images:
            reject(self, "ReduceOnPlateau watches the val loss and needs val_images above 0")
