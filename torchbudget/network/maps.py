"""Maps: values (N, C, H, W) whose pixels are apart, as those of the images are."""

from collections.abc import Iterable
from functools import cached_property

import torch
from torch import fx

from torchbudget.network.experiment import Experiment, poison
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


class Maps:
    """Which operations of a trace give maps, and what of a map an operation sees."""

    def __init__(self, traced: Trace, experiment: Experiment) -> None:
        self._traced = traced
        self._experiment = experiment
        self._seen: dict[tuple[fx.Node, fx.Node], list[torch.Tensor]] = {}

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
        for lines in self._lines_by_element(source, target):
            if lines.shape[1] != shape.numel():
                return False
            first = lines.unflatten(1, shape)[:, 0]  # (lines, C, H, W) of the first image
            seeing = first[:, first.flatten(2).any(2).any(0)]  # channels that see anything
            if not seeing.numel():
                return False
            together = seeing.any(1)  # (lines, H, W)
            if bool((together != together[:, :1, :1]).any()):
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

    def lines_seen(self, source: fx.Node, target: fx.Node) -> list[torch.Tensor]:
        """(H, elements) and (W, elements): which lines of a map an element of `target` depends on.

        For the first image alone.
        """
        if (source, target) not in self._seen:
            lines = self._lines_by_element(source, target)
            self._seen[source, target] = [part[:, part.any(0)] for part in lines]
        return self._seen[source, target]

    def _lines_by_element(self, source: fx.Node, target: fx.Node) -> list[torch.Tensor]:
        """The same with a column for each element, of all images, also those that see none."""
        start = self._experiment.tensor(source)
        assert start is not None
        only = reachable([source], lambda node: node.users)
        only &= reachable([target], lambda node: node.all_input_nodes)
        seen = []
        for dim in (2, 3):
            rows = []
            for line in range(start.shape[dim]):
                masks = self._see_line(source, target, only, dim, line)
                rows.append(torch.cat([mask.flatten() for mask in masks]))
            seen.append(torch.stack(rows))
        return seen

    def _see_line(
        self, source: fx.Node, target: fx.Node, only: set[fx.Node], dim: int, line: int
    ) -> list[torch.Tensor]:
        """Which elements of `target` see a row or column of the first image's map."""
        start = self._experiment.tensor(source)
        assert start is not None

        def run(other: torch.Tensor) -> object:
            changed = start.clone()
            changed[:1].select(dim, line).copy_(other[:1].select(dim, line))
            values, _ = self._experiment.rerun({source: changed}, only=only, tolerance=0)
            return values[target]

        return poison(start, run, self._experiment.values[target])


def _is_pointwise(node: fx.Node) -> bool:
    """Whether ATen declares an operation as one on single elements, or it is a dropout."""
    if not isinstance(node.target, Operation):
        return False
    tags = node.target.tags
    plain = kind_of(node).rstrip("_")
    return torch.Tag.pointwise in tags or plain in DROPOUTS | {"relu", "add", "mul"}
