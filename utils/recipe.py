"""All that is chosen about training but seed and device. A variant is a value of its own kind, checked when it is made."""

from dataclasses import dataclass
from typing import Literal

from torchbudget.declare.validation import INFINITY, check, check_counts, check_kind, reject
from utils.augmentations import Augmentation
from utils.steps import Cosine, Lookahead, OneCycle, Optimizer, ReduceOnPlateau, Schedule

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
    """Mean of the weights after each epoch from `start_epoch` (0-based) on, at learning rate `lr` (Izmailov et al. 2018).

    BatchNorm gets fresh statistics at the end, `statistics_batch` images at a time.
    """

    start_epoch: int = 0
    lr: float = 0.01
    statistics_batch: int = 1_000

    def __post_init__(self) -> None:
        check_counts(self, "start_epoch", least=0)
        check_counts(self, "statistics_batch", least=2)
        check(self, lr=(1e-9, 1e3))


# --- mixing, phases, focus --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Mix:
    """With probability `p` a batch is mixed with itself: by CutMix (Yun et al. 2019) for a share `cutmix` of those, else by MixUp (Zhang et al. 2018).

    The proportion is drawn from Beta(alpha, alpha), with an alpha for each.
    """

    p: float = 0.5
    cutmix: float = 0.5
    mixup_alpha: float = 0.2
    cutmix_alpha: float = 1.0

    def __post_init__(self) -> None:
        check(self, p=(0, 1), cutmix=(0, 1), mixup_alpha=(1e-6, 1e3), cutmix_alpha=(1e-6, 1e3))


@dataclass(frozen=True, kw_only=True)
class Finish:
    """A second phase: the last `epochs` epochs have this augmentation and mixing in place of the recipe's."""

    epochs: int
    augment: tuple[Augmentation, ...] = ()
    mix: Mix | None = None

    def __post_init__(self) -> None:
        check_counts(self, "epochs")
        check_augment(self)
        if not isinstance(self.mix, Mix | None):
            reject(self, f"mix must be a Mix, not {self.mix!r}")


@dataclass(frozen=True, kw_only=True)
class Focus:
    """After the first epoch, train on the images that are still hard: rounds of a `share` of the training images, those of the highest loss.

    A round is chosen when the one before it is used up, by each image's loss when it was last trained on, times exp(`noise` x N(0, 1)), so that
    easy images come back, too. After "Online batch selection" (Loshchilov & Hutter 2015, arXiv:1511.06343).
    """

    share: float = 0.3
    noise: float = 1.0

    def __post_init__(self) -> None:
        check(self, share=(1e-6, 1), noise=(0, 100))


def check_augment(owner: object) -> None:
    """Reject an `augment` that is no tuple of augmentations."""
    check_kind(owner, tuple, "augment")
    for augmentation in owner.augment:
        if not isinstance(augmentation, Augmentation):
            reject(owner, f"augment holds {augmentation!r}, which is no augmentation")


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
    lookahead: Lookahead | None = None
    mix: Mix | None = None
    finish: Finish | None = None
    focus: Focus | None = None

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
        check_augment(self)
        kinds = {
            "optimizer": Optimizer,
            "schedule": Schedule,
            "average": Average | None,
            "lookahead": Lookahead | None,
            "mix": Mix | None,
        }
        for name, kind in (kinds | {"finish": Finish | None, "focus": Focus | None}).items():
            if not isinstance(getattr(self, name), kind):
                reject(self, f"{name} must be an instance of {kind}, not {getattr(self, name)!r}")
        if self.finish and self.finish.epochs >= self.epochs:
            reject(
                self, f"finish.epochs {self.finish.epochs} leave nothing of epochs {self.epochs}"
            )
        if isinstance(self.average, SWA) and self.average.start_epoch >= self.epochs:
            reject(
                self, f"average.start_epoch {self.average.start_epoch} is past epochs {self.epochs}"
            )
        if isinstance(self.schedule, ReduceOnPlateau) and not self.val_images:
            reject(self, "ReduceOnPlateau watches the val loss and needs val_images above 0")

    def lr_range(self) -> tuple[float, float]:
        """The least and the greatest learning rate that training can reach."""
        schedule = self.schedule
        highest = schedule.max_lr if isinstance(schedule, OneCycle) else schedule.lr
        lowest = highest
        if isinstance(schedule, OneCycle):
            lowest = highest / schedule.div_factor / schedule.final_div_factor
        elif isinstance(schedule, Cosine):
            lowest = schedule.min_lr
        elif isinstance(schedule, ReduceOnPlateau):
            lowest = 0.0
        if isinstance(self.average, SWA):
            lowest, highest = min(lowest, self.average.lr), max(highest, self.average.lr)
        return lowest, highest
