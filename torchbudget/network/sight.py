"""What the elements of a value see of a map's rows and columns, found line by line.

Where the same elements see the first lines that are looked at, as after attention, they are taken
to see all lines of that dimension: rows or columns that are told apart are told apart there, too.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import fx

from torchbudget.network.experiment import Experiment, masks_of_change, poison, poisoned
from torchbudget.network.nodes import between

NUM_ALIKE = 3
"""Lines after which what has seen them all alike is looked at no further."""
MAX_COUNTED = 2**27
"""Elements of values whose lines are counted at a time, two bytes each."""

Look = TypeVar("Look", "Sighting", "Folding")


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


# --- looking ------------------------------------------------------------------------------------


def _group(experiment: Experiment, nodes: list[fx.Node]) -> Iterator[list[fx.Node]]:
    """The nodes in groups of which not too many elements are counted at a time."""
    group: list[fx.Node] = []
    size = 0
    for node in nodes:
        value = experiment.tensor(node)
        elements = 0 if value is None else value.numel()
        if group and size + elements > MAX_COUNTED:
            yield group
            group, size = [], 0
        group.append(node)
        size += elements
    yield group


def look_at(
    experiment: Experiment, source: fx.Node, targets: list[fx.Node], make: Callable[[fx.Node], Look]
) -> dict[fx.Node, Look]:
    """What `make` gives for each target, when it has seen each line of the map `source`."""
    looks: dict[fx.Node, Look] = {}
    for group in _group(experiment, targets):
        try:
            looks |= _look_together(experiment, source, group, make)
        except (RuntimeError, IndexError):
            if len(group) == 1:
                raise
            for target in group:
                looks |= _look_together(experiment, source, [target], make)
    return looks


def _look_together(
    experiment: Experiment, source: fx.Node, targets: list[fx.Node], make: Callable[[fx.Node], Look]
) -> dict[fx.Node, Look]:
    """The same in runs that all targets share; raises what `_see_line` raises."""
    start = experiment.tensor(source)
    assert start is not None
    looks = {target: make(target) for target in targets}
    for dim in (2, 3):
        waiting: list[fx.Node] = []
        for line in spread(start.shape[dim]):
            before = waiting
            waiting = [target for target in targets if not looks[target].is_done]
            if not waiting:
                break
            if waiting != before:
                only = between([source], waiting)
            seen = _see_line(experiment, source, waiting, only, dim, line)
            for target, elements in zip(waiting, seen, strict=True):
                looks[target].add(elements)
        for look in looks.values():
            look.end(start.shape[dim])
    return looks


def _see_line(
    experiment: Experiment,
    source: fx.Node,
    targets: list[fx.Node],
    only: set[fx.Node],
    dim: int,
    line: int,
) -> list[torch.Tensor]:
    """bool (elements,) of each target: which see a row or column of the first image's map.

    Of several targets, raises what an operation raises that takes no NaN: it may be on the way
    to only one of them.
    """
    start = experiment.tensor(source)
    assert start is not None
    before = experiment.values
    wanted = set(targets)

    def find(other: torch.Tensor) -> list[torch.Tensor]:
        changed = start.clone()
        changed[:1].select(dim, line).copy_(other[:1].select(dim, line))
        found = {}

        def meet(node: fx.Node, value: object) -> bool:
            if node in wanted:
                found[node] = _joined(masks_of_change(before[node], value))
            return len(found) == len(wanted)

        experiment.rerun({source: changed}, only=only, tolerance=0, meet=meet)
        for target in targets:
            if target not in found:
                meet(target, before[target])
        return [found[target] for target in targets]

    return find(poisoned(start)) if len(targets) > 1 else poison(start, find)


def _joined(masks: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([mask.flatten() for mask in masks])
