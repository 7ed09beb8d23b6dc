"""What the elements of a value see of a map's rows and columns, found line by line.

Where the same elements see the first lines that are looked at, as after attention, they are taken
to see all lines of that dimension: rows or columns that are told apart are told apart there, too.
"""

from dataclasses import dataclass

import torch

NUM_ALIKE = 3
"""Lines after which what has seen them all alike is looked at no further."""


def spread(num_lines: int) -> list[int]:
    """All lines of a dimension, the outermost and the middle one first."""
    first = dict.fromkeys((0, num_lines - 1, num_lines // 2))
    return [*first, *(line for line in range(num_lines) if line not in first)]


@dataclass(frozen=True)
class Sight:
    """What the elements of a value see of a map's rows and columns.

    `most` are the most rows plus the most columns that one depends on; `whole` says whether one
    depends on all rows or on all columns, `apart` whether some depend on other lines than others.
    """

    most: int = 0
    whole: bool = False
    apart: bool = False

    def with_lines(self, tally: "_Tally", num_lines: int) -> "Sight":
        """The same with what a tally of all rows, or of all columns, adds."""
        most = num_lines if tally.is_alike else tally.most
        return Sight(self.most + most, self.whole or most == num_lines, self.apart or tally.apart)


class _Tally:
    """How many lines each element of a value sees, and whether some see others."""

    def __init__(self) -> None:
        self.apart = False
        self._num_lines = 0
        self._counts: torch.Tensor | None = None

    def add(self, seeing: torch.Tensor) -> None:
        """Count one more line; bool (elements,): which elements see it."""
        self._num_lines += 1
        if self._counts is None:
            self._counts = seeing.short()
            return
        if not self.apart:
            known = self._counts > 0
            again = seeing & known
            some_only = bool(again.any()) and not torch.equal(again, known)
            new = bool(known.any()) and bool((seeing & ~known).any())
            self.apart = some_only or new
        self._counts += seeing

    @property
    def is_alike(self) -> bool:
        """Whether enough lines were counted, and the same elements see each of them."""
        if self.apart or self._num_lines < NUM_ALIKE:
            return False
        return self.most == self._num_lines

    @property
    def most(self) -> int:
        """The most lines that one element sees."""
        counts = self._counts
        return int(counts.max()) if counts is not None and counts.numel() else 0


class Sighting:
    """What the elements of a value see of a map, found line by line."""

    def __init__(self) -> None:
        self.sight = Sight()
        self._tally = _Tally()

    @property
    def is_done(self) -> bool:
        """Whether further lines of this dimension are not needed."""
        return self._tally.is_alike

    def add(self, seeing: torch.Tensor) -> None:
        """Note which elements see the next line of a dimension; bool (elements,)."""
        self._tally.add(seeing)

    def end(self, num_lines: int) -> None:
        """A dimension has no more lines."""
        self.sight = self.sight.with_lines(self._tally, num_lines)
        self._tally = _Tally()


class Folding:
    """Whether a value (N, C, H, W) is a flat map, folded: found line by line, as a `Sighting`.

    It is one if its channels see different lines of the map, and each of its pixels the same ones.
    """

    def __init__(self, shape: torch.Size) -> None:
        self._shape = shape
        self._differs = False
        self._is_none = False
        self.sees_all = True
        self._sees_lines = True  # each element sees each line of this dimension so far
        self._lines: list[torch.Tensor] = []

    @property
    def is_folded(self) -> bool:
        return self._differs and not self._is_none

    @property
    def is_done(self) -> bool:
        return self._is_none or self._is_alike

    @property
    def _is_alike(self) -> bool:
        return len(self._lines) >= NUM_ALIKE and self._sees_lines

    def add(self, seeing: torch.Tensor) -> None:
        if seeing.numel() != self._shape.numel():
            self._is_none = True
            return
        first = seeing.view(self._shape)[0]  # (C, H, W) of the first image
        together = first.any(0)
        self._is_none |= bool((together != together[0, 0]).any())
        self._sees_lines = self._sees_lines and bool(first.all())
        self._lines.append(first)

    def end(self, num_lines: int) -> None:
        self.sees_all &= self._is_alike
        if not self.is_done:
            lines = torch.stack(self._lines)
            seeing = lines[:, lines.flatten(2).any(2).any(0)]  # channels that see anything
            self._is_none = not seeing.numel()
            self._differs |= bool((seeing != seeing[:, :1]).any())
        self._lines = []
        self._sees_lines = True
