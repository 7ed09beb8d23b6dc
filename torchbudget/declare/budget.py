"""Declared limits.

Counts that say "fewer than" are exclusive (`max_params`, `max_epochs`: the limit itself fails); `max_misses` is "at most".
"""

from dataclasses import dataclass

from torchbudget.declare.validation import check, check_counts, check_kind, reject


@dataclass(frozen=True, kw_only=True)
class BatchNorm:
    """Each convolution on the path is normalised, by batch statistics in train; `except_last` spares the last one."""

    except_last: bool = False

    def __post_init__(self) -> None:
        check_kind(self, bool, "except_last")


@dataclass(frozen=True, kw_only=True)
class Dropout:
    """At least `least` dropouts with 0 < p < 1 act on the path in train; none acts in eval."""

    least: int = 1

    def __post_init__(self) -> None:
        check_counts(self, "least")


@dataclass(frozen=True, kw_only=True)
class GlobalAveragePooling:
    """The path averages over the whole map before the logits; whatever the form, no map is flattened into a dense layer."""


@dataclass(frozen=True, kw_only=True)
class NoDenseOnMap:
    """No dense layer sees a map of more than one pixel, flattened or otherwise."""


Requirement = BatchNorm | Dropout | GlobalAveragePooling | NoDenseOnMap


@dataclass(frozen=True, kw_only=True)
class Slack:
    """How much worse than the base a change may make an entry before the ratchet fails it."""

    params: int = 0
    multiply_adds: int = 0
    misses: int = 0

    def __post_init__(self) -> None:
        check_counts(self, "params", "multiply_adds", "misses", least=0)


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Declared limits. Parameters and epochs must stay *below* theirs.

    Accuracy is judged by one of two rules: every one of `seeds` seeds misses at most `max_misses`, or the one-sided 95 % lower bound of
    the mean accuracy over the seeds (Student's t, so at least two) is at least `min_accuracy_bound`. A limit of None is no limit.
    """

    max_params: int
    max_epochs: int
    max_misses: int | None = None
    min_accuracy_bound: float | None = None
    seeds: int = 1
    requires: tuple[Requirement, ...] = ()
    max_multiply_adds: int | None = None
    max_activation_bytes: int | None = None
    max_weight_bytes: int | None = None
    min_receptive_field: int | None = None
    slack: Slack = Slack()

    def __post_init__(self) -> None:
        check_counts(self, "max_params", "max_epochs", "seeds")
        for name in (
            "max_misses",
            "max_multiply_adds",
            "max_activation_bytes",
            "max_weight_bytes",
            "min_receptive_field",
        ):
            if getattr(self, name) is not None:
                check_counts(self, name, least=0)
        if (self.max_misses is None) == (self.min_accuracy_bound is None):
            reject(self, "exactly one of max_misses and min_accuracy_bound must be given")
        if self.min_accuracy_bound is not None:
            check(self, min_accuracy_bound=(0, 1))
            if self.seeds < 2:
                reject(self, "min_accuracy_bound needs seeds of at least 2: one run has no spread")
        check_kind(self, tuple, "requires")
        check_kind(self, Slack, "slack")
        for requirement in self.requires:
            if not isinstance(requirement, Requirement):
                reject(self, f"requires holds {requirement!r}, which is no requirement")
