"""What was measured of an entry, as integers: for programs, badges and the difference to a base."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """`misses` and `missed` (indices of wrong test images) by seed, of those seeds only whose weights were measured; None is not measured."""

    entry: str
    params: int | None = None
    multiply_adds: int | None = None
    total: int | None = None
    misses: dict[int, int] = field(default_factory=dict)
    missed: dict[int, list[int]] = field(default_factory=dict)

    @property
    def worst(self) -> int | None:
        """The misses of the worst seed."""
        return max(self.misses.values(), default=None)
