"""Maps: values (N, C, H, W) whose pixels are apart, as those of the images are."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import fx

from torchbudget.network.experiment import Experiment, masks_of_change, poison, poisoned
from torchbudget.network.nodes import arguments_of, kind_of, reachable
from torchbudget.network.private_torch import Operation
from torchbudget.network.structure import CONVOLUTIONS, DROPOUTS, NORMALISATIONS
from torchbudget.network.trace import Trace

POOLS = {"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"}
UPSAMPLINGS = {"upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d"}
MAPS = CONVOLUTIONS | NORMALISATIONS | POOLS | UPSAMPLINGS
"""Operations whose value of four dimensions is a map (N, C, H, W)."""
CROPS = {"cat", "slice", "narrow", "constant_pad_nd", "pad", "roll", "clone"}
"""Operations that leave the pixels of maps apart, as far as they join no rows or columns."""
MAX_COUNTED = 2**27
"""Elements of values whose lines are counted at a time, two bytes each."""


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


class Maps:
    """Which operations of a trace give maps, and what of a map an operation sees."""

    def __init__(self, traced: Trace, experiment: Experiment) -> None:
        self._traced = traced
        self._experiment = experiment
        self._seen: dict[tuple[fx.Node, fx.Node], Sight] = {}

    @cached_property
    def nodes(self) -> set[fx.Node]:
        """The nodes that give maps: the images, and what keeps the pixels of a map apart.

        An operation on the single elements of a map gives a map, unless numbers that do not follow
        from the images differ from pixel to pixel in it. A convolution, norm or pool of what was
        reshaped gives one if the pixels that were put together are neighbours.
        """
        maps: set[fx.Node] = set()
        for node in [self._traced.input, *self._traced.path]:
            value = self._experiment.tensor(node)
            if value is None or value.ndim != 4 or value.shape[2:].numel() < 2:
                continue
            if node is self._traced.input or (
                self._is_windowed(node, maps)
                if kind_of(node) in MAPS
                else _is_pointwise(node) and self._is_vouched(node, value, maps)
            ):
                maps.add(node)
        return maps

    def _is_windowed(self, node: fx.Node, maps: set[fx.Node]) -> bool:
        """Whether what a convolution, norm or pool reads has the pixels of an earlier map.

        It has not, if its channels hold different pixels and each of its own pixels sees the same
        ones: that is a flat map, folded.
        """
        if "softmax" in kind_of(node) and arguments_of(node).get("dim") in (-1, 3):
            return True  # attention
        operand = node.all_input_nodes[0]
        value = self._experiment.tensor(operand)
        if value is None or value.ndim != 4 or self._keeps_pixels(operand, maps):
            return True
        return not any(
            self._is_folded(source, operand, value.shape)
            for source in self._list_before(operand, maps)
        )

    def _keeps_pixels(self, node: fx.Node, maps: set[fx.Node]) -> bool:
        """Whether a node is a map, or maps side by side, cropped or padded."""
        if node in maps:
            return True
        if kind_of(node) not in CROPS or arguments_of(node).get("dim", 1) in (2, 3, -1, -2):
            return False
        varying = [
            operand for operand in node.all_input_nodes if operand in self._experiment.varying
        ]
        return all(self._keeps_pixels(operand, maps) for operand in varying)

    def _is_folded(self, source: fx.Node, target: fx.Node, shape: torch.Size) -> bool:
        channels_differ = False
        for dim in (2, 3):
            rows = []
            for seen in self._each_line(source, target, dim):
                if seen.numel() != shape.numel():
                    return False
                first = seen.view(shape)[0]  # (C, H, W) of the first image
                together = first.any(0)
                if bool((together != together[0, 0]).any()):
                    return False
                rows.append(first)
            lines = torch.stack(rows)
            seeing = lines[:, lines.flatten(2).any(2).any(0)]  # channels that see anything
            if not seeing.numel():
                return False
            channels_differ |= bool((seeing != seeing[:, :1]).any())
        return channels_differ

    def _is_vouched(self, node: fx.Node, value: torch.Tensor, maps: set[fx.Node]) -> bool:
        varying = self._experiment.varying
        vouched = False
        for operand in node.all_input_nodes:
            other = self._experiment.tensor(operand)
            if operand in varying and other is not None and other.shape[2:] == value.shape[2:]:
                vouched = vouched or operand in maps
            elif operand not in varying and other is not None and other.shape[-2:].numel() > 1:
                return False
        return vouched

    def list_before(self, start: fx.Node) -> list[fx.Node]:
        """The last maps before `start`, on each way back to the images; `start` if it is one."""
        return self._list_before(start, self.nodes)

    def _list_before(self, start: fx.Node, maps: set[fx.Node]) -> list[fx.Node]:
        path = self._experiment.images_path

        def step(node: fx.Node) -> Iterable[fx.Node]:
            if node in maps:
                return ()
            return [operand for operand in node.all_input_nodes if operand in path]

        return [node for node in reachable([start], step) if node in maps]

    def see(self, source: fx.Node, target: fx.Node, others: Iterable[fx.Node] = ()) -> Sight:
        """What the elements of `target` see of a map, when lines of its first image change.

        What is known of `target` soon is kept of `others` too: they are looked at in the same runs.
        """
        if (source, target) not in self._seen:
            below = reachable([source], lambda node: node.users)
            waiting = [
                node
                for node in dict.fromkeys([target, *others])
                if node in below and (source, node) not in self._seen
            ]
            for group in self._group(waiting or [target]):
                for node, sight in zip(group, self._look(source, group), strict=True):
                    self._seen[source, node] = sight
        return self._seen[source, target]

    def _group(self, nodes: list[fx.Node]) -> Iterator[list[fx.Node]]:
        """The nodes in groups of which not too many elements are counted at a time."""
        group: list[fx.Node] = []
        size = 0
        for node in nodes:
            value = self._experiment.tensor(node)
            elements = 0 if value is None else value.numel()
            if group and size + elements > MAX_COUNTED:
                yield group
                group, size = [], 0
            group.append(node)
            size += elements
        yield group

    def _look(self, source: fx.Node, targets: list[fx.Node]) -> list[Sight]:
        """What the elements of each of `targets` see of a map."""
        start = self._experiment.tensor(source)
        assert start is not None
        only = self._between(source, targets)
        sights = [Sight() for _ in targets]
        for dim in (2, 3):
            tallies = [_Tally() for _ in targets]
            for line in range(start.shape[dim]):
                try:
                    seen = self._see_line(source, targets, only, dim, line)
                except (RuntimeError, IndexError):
                    if len(targets) == 1:
                        raise
                    return [self._look(source, [target])[0] for target in targets]
                for tally, elements in zip(tallies, seen, strict=True):
                    tally.add(elements)
            sights = [
                sight.with_lines(tally, start.shape[dim])
                for sight, tally in zip(sights, tallies, strict=True)
            ]
        return sights

    def _between(self, source: fx.Node, targets: list[fx.Node]) -> set[fx.Node]:
        """What runs again from `source` to any of `targets`."""
        below = reachable([source], lambda node: node.users)
        return below & reachable(targets, lambda node: node.all_input_nodes)

    def _each_line(self, source: fx.Node, target: fx.Node, dim: int) -> Iterator[torch.Tensor]:
        """bool (elements,) for each row or column of a map: which elements of `target` see it."""
        start = self._experiment.tensor(source)
        assert start is not None
        only = self._between(source, [target])
        for line in range(start.shape[dim]):
            yield self._see_line(source, [target], only, dim, line)[0]

    def _see_line(
        self, source: fx.Node, targets: list[fx.Node], only: set[fx.Node], dim: int, line: int
    ) -> list[torch.Tensor]:
        """bool (elements,) of each target: which see a row or column of the first image's map.

        Of several targets, raises what an operation raises that takes no NaN: it may be on the way
        to only one of them.
        """
        start = self._experiment.tensor(source)
        assert start is not None
        before = self._experiment.values

        def find(other: torch.Tensor) -> list[torch.Tensor]:
            changed = start.clone()
            changed[:1].select(dim, line).copy_(other[:1].select(dim, line))
            found = {}

            def meet(node: fx.Node, value: object) -> None:
                if node in targets:
                    found[node] = _joined(masks_of_change(before[node], value))

            self._experiment.rerun({source: changed}, only=only, tolerance=0, meet=meet)
            for target in targets:
                if target not in found:
                    meet(target, before[target])
            return [found[target] for target in targets]

        return find(poisoned(start)) if len(targets) > 1 else poison(start, find)


def _joined(masks: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat([mask.flatten() for mask in masks])


def _is_pointwise(node: fx.Node) -> bool:
    """Whether ATen declares an operation as one on single elements, or it is a dropout."""
    if not isinstance(node.target, Operation):
        return False
    tags = node.target.tags
    plain = kind_of(node).rstrip("_")
    return torch.Tag.pointwise in tags or plain in DROPOUTS | {"relu", "add", "mul"}
