"""Declared limits.

Counts that say "fewer than" are exclusive (`max_params`, `max_epochs`: the limit itself fails); `max_misses` is "at most".
"""

from dataclasses import dataclass

from utils.bounds import check_counts, check_kind, reject


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


Requirement = BatchNorm | Dropout | GlobalAveragePooling


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Declared limits. Parameters and epochs must stay *below* theirs; the misses of every one of `seeds` seeds at or below `max_misses`."""

    max_params: int
    max_epochs: int
    max_misses: int
    seeds: int = 1
    requires: tuple[Requirement, ...] = ()

    def __post_init__(self) -> None:
        check_counts(self, "max_params", "max_epochs", "seeds")
        check_counts(self, "max_misses", least=0)
        check_kind(self, tuple, "requires")
        for requirement in self.requires:
            if not isinstance(requirement, Requirement):
                reject(self, f"requires holds {requirement!r}, which is no requirement")
