"""All that is chosen about training but seed and device.

A recipe is made of values, each of which checks itself when it is made. All of them can be imported
from here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torchbudget.declare.validation import INFINITY, check, check_counts, check_kind, reject
from utils.augmentations import Augmentation
from utils.averaging import EMA, SWA, Average
from utils.freezing import Freeze
from utils.mixing import Mix
from utils.optimizers import SGD, Adam, Lookahead, Optimizer
from utils.rounding import Rounding
from utils.sampler import Focus
from utils.schedules import Constant, Cosine, OneCycle, ReduceOnPlateau, Schedule, replay_rates
from utils.teacher import Teacher

__all__ = [
    "EMA",
    "SGD",
    "SWA",
    "Adam",
    "Average",
    "Constant",
    "Cosine",
    "Finish",
    "Focus",
    "Freeze",
    "Lookahead",
    "Mix",
    "OneCycle",
    "Optimizer",
    "Recipe",
    "ReduceOnPlateau",
    "Rounding",
    "Schedule",
    "Teacher",
]


def check_augment(owner: object) -> None:
    """Reject an `augment` that is not a tuple of augmentations."""
    check_kind(owner, tuple, "augment")
    for augmentation in owner.augment:
        if not isinstance(augmentation, Augmentation):
            reject(owner, f"augment holds {augmentation!r}, which is no augmentation")


@dataclass(frozen=True, kw_only=True)
class Finish:
    """A second phase: the last `epochs` epochs have this augmentation and mixing instead."""

    epochs: int
    augment: tuple[Augmentation, ...] = ()
    mix: Mix | None = None

    def __post_init__(self) -> None:
        check_counts(self, "epochs")
        check_augment(self)
        if not isinstance(self.mix, Mix | None):
            reject(self, f"mix must be a Mix, not {self.mix!r}")


KINDS = {
    "optimizer": Optimizer,
    "schedule": Schedule,
    "average": Average | None,
    "lookahead": Lookahead | None,
    "mix": Mix | None,
    "finish": Finish | None,
    "focus": Focus | None,
    "freeze": Freeze | None,
    "rounding": Rounding | None,
    "teacher": Teacher | None,
}
"""Field of a recipe: what it must be an instance of."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that is chosen about training but seed and device.

    `augment` is applied in its order, a batch at a time. `amp` names the precision to train in
    where the device has it natively; else that is fp32.
    """

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
    freeze: Freeze | None = None
    rounding: Rounding | None = None
    teacher: Any = None
    """A `Teacher`, or None. The command line, which goes by types, names its entry (see
    `utils.teacher_options`)."""

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
        for name, kind in KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                reject(self, f"{name} must be an instance of {kind}, not {value!r}")
        self._check_epochs()
        if self.teacher and (self.mix or (self.finish and self.finish.mix)):
            reject(self, "a teacher answers images as they are: teacher and mix exclude each other")
        if isinstance(self.schedule, ReduceOnPlateau) and not self.val_images:
            reject(self, "ReduceOnPlateau watches the val loss and needs val_images above 0")

    def _check_epochs(self) -> None:
        if self.finish and self.finish.epochs >= self.epochs:
            reject(
                self, f"finish.epochs {self.finish.epochs} leave nothing of epochs {self.epochs}"
            )
        if self.rounding and self.rounding.epochs > self.epochs:
            reject(
                self, f"rounding.epochs {self.rounding.epochs} are more than epochs {self.epochs}"
            )
        if isinstance(self.average, SWA) and self.average.start_epoch >= self.epochs:
            reject(
                self, f"average.start_epoch {self.average.start_epoch} is past epochs {self.epochs}"
            )

    def learning_rates(
        self, steps_per_epoch: int, val_losses: Sequence[float | None]
    ) -> list[float]:
        """The rate at the end of each epoch, which `val_losses` (an epoch each) may decide."""
        return replay_rates(self.schedule, self.average, steps_per_epoch, val_losses)

    def lr_range(self) -> tuple[float, float]:
        """The least and the greatest learning rate that training can reach."""
        least, greatest = self.schedule.lr_range()
        if isinstance(self.average, SWA):
            least = min(least, self.average.lr)
            greatest = max(greatest, self.average.lr)
        return least, greatest
