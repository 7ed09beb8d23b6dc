"""What was measured of an entry, as integers: for programs, badges and the comparison."""

from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """Sizes and misses of an entry; None is not measured.

    `misses` and `missed` (indices of wrong test images) are by seed, of those seeds only whose
    weights were measured.
    """

    entry: str
    params: int | None = None
    multiply_adds: int | None = None
    weight_bytes: int | None = None
    total: int | None = None
    misses: dict[int, int] = field(default_factory=dict)
    missed: dict[int, list[int]] = field(default_factory=dict)

    @property
    def worst(self) -> int | None:
        """The misses of the worst seed."""
        return max(self.misses.values(), default=None)
