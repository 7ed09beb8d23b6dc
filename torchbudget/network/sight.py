"""What the elements of a value see of a map's rows and columns, found line by line."""

from dataclasses import dataclass

import torch


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
        most = tally.most
        return Sight(self.most + most, self.whole or most == num_lines, self.apart or tally.apart)


class _Tally:
    """How many lines each element of a value sees, and whether some see others."""

    def __init__(self) -> None:
        self.apart = False
        self._counts: torch.Tensor | None = None

    def add(self, seeing: torch.Tensor) -> None:
        """Count one more line; bool (elements,): which elements see it."""
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
    def most(self) -> int:
        """The most lines that one element sees."""
        counts = self._counts
        return int(counts.max()) if counts is not None and counts.numel() else 0


class Sighting:
    """What the elements of a value see of a map, found line by line."""

    is_done = False
    """Whether further lines of this dimension would tell nothing more."""

    def __init__(self) -> None:
        self.sight = Sight()
        self._tally = _Tally()

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
    Where all elements see the first line, as after attention, they are taken to see all lines.
    """

    def __init__(self, shape: torch.Size) -> None:
        self._shape = shape
        self._differs = False
        self._is_none = False
        self._sees_all = False
        self._lines: list[torch.Tensor] = []

    @property
    def is_folded(self) -> bool:
        return self._differs and not self._is_none

    @property
    def is_done(self) -> bool:
        return self._is_none or self._sees_all

    def add(self, seeing: torch.Tensor) -> None:
        if seeing.numel() != self._shape.numel():
            self._is_none = True
            return
        first = seeing.view(self._shape)[0]  # (C, H, W) of the first image
        together = first.any(0)
        self._is_none |= bool((together != together[0, 0]).any())
        self._sees_all = not self._lines and bool(first.all())
        self._lines.append(first)

    def end(self, num_lines: int) -> None:
        if not self.is_done:
            lines = torch.stack(self._lines)
            seeing = lines[:, lines.flatten(2).any(2).any(0)]  # channels that see anything
            self._is_none = not seeing.numel()
            self._differs |= bool((seeing != seeing[:, :1]).any())
        self._sees_all = False
        self._lines = []
