"""Maps: values (N, C, H, W) whose pixels are apart, as those of the images are."""

from collections.abc import Callable, Container, Iterable
from functools import cached_property

import torch
from torch import fx

from torchbudget.network.dependence import APART, NUM_COMPARED, SPREAD, Gradients
from torchbudget.network.experiment import Experiment, Values, same
from torchbudget.network.nodes import arguments_of, between, draws_numbers, kind_of, reachable
from torchbudget.network.private_torch import Operation
from torchbudget.network.sight import Folding, Sight, Sighting, look_at
from torchbudget.network.structure import CONVOLUTIONS, DROPOUTS, NORMALISATIONS
from torchbudget.network.trace import Trace

POOLS = {"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"}
UPSAMPLINGS = {"upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d"}
MAPS = CONVOLUTIONS | NORMALISATIONS | POOLS | UPSAMPLINGS
"""Operations whose value of four dimensions is a map (N, C, H, W)."""
PICKS = {"slice", "narrow", "repeat", "expand"}
"""Operations that pick pixels or channels of maps, perhaps several times."""
CROPS = PICKS | {"cat", "constant_pad_nd", "pad", "roll", "flip", "clone"}
"""Operations that leave the pixels of maps apart, as far as they join no rows or columns."""
NUM_CHANNELS = 128
"""Channels of a folded map of which two pixels are compared."""
MOVED = 1e-4
"""What moves with a map is equal to its former value, moved, up to this share of its spread."""


class Maps:
    """Which operations of a trace give maps, and what of a map an operation sees."""

    def __init__(
        self,
        traced: Trace,
        experiment: Experiment,
        gradients: Gradients,
        find_layers: Callable[[], Container[fx.Node]] = tuple,
    ) -> None:
        self._traced = traced
        self._experiment = experiment
        self._gradients = gradients
        self._find_layers = find_layers
        self._seen: dict[tuple[fx.Node, fx.Node], Sight] = {}
        self._foldings: dict[tuple[fx.Node, fx.Node], Folding] = {}
        self._folded: dict[tuple[fx.Node, fx.Node], bool] = {}

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
        ones: that is a flat map, folded. What a norm or pool reads must move with the pixels, too.
        The weights that an attention gives the pixels are no pixels.
        """
        if "softmax" in kind_of(node) and arguments_of(node).get("dim") in (-1, 3):
            return False
        operand = node.all_input_nodes[0]
        value = self._experiment.tensor(operand)
        if value is None or value.ndim != 4 or self._keeps_pixels(operand, maps):
            return True
        if kind_of(node) not in CONVOLUTIONS and not self._moves_along(operand, maps):
            return False
        sources = self._list_before(operand, maps)
        return not any(self._is_folded(source, operand, sources, maps) for source in sources)

    def _moves_along(self, node: fx.Node, maps: set[fx.Node]) -> bool:
        """Whether a value moves as the maps before it are moved, unless layers are between.

        It does not where fixed numbers, or an order of the pixels, tell these apart. Half a map's
        height and width is a move of all its pixels.
        """
        sources = self._list_last(node, lambda other: self._keeps_pixels(other, maps))
        way = between(sources, [node])
        layers = self._find_layers()
        if any(other in layers or draws_numbers(other) for other in way - set(sources)):
            return True
        before = self._experiment.tensor(node)
        assert before is not None
        changed: Values = {}
        expected = before
        for dim in (-2, -1):
            size = before.shape[dim] if before.ndim >= -dim else 1
            expected = expected.roll(size // 2, dim) if size > 1 else expected
            for source in sources:
                value = changed.get(source, self._experiment.values[source])
                assert isinstance(value, torch.Tensor)
                pixels, rest = divmod(value.shape[dim], size)
                if rest:
                    return False
                changed[source] = value.roll(size // 2 * pixels or value.shape[dim] // 2, dim)
        values, _ = self._experiment.rerun(changed, only=way, tolerance=0)
        return same(expected, values[node], MOVED)

    def _keeps_pixels(self, node: fx.Node, maps: set[fx.Node]) -> bool:
        """Whether a node is a map, or maps side by side, cropped or padded."""
        if node in maps:
            return True
        joins = kind_of(node) not in PICKS and arguments_of(node).get("dim", 1) in (2, 3, -1, -2)
        if kind_of(node) not in CROPS or joins:
            return False
        return all(self._keeps_pixels(operand, maps) for operand in node.all_input_nodes)

    def _is_folded(
        self, source: fx.Node, target: fx.Node, sources: list[fx.Node], maps: set[fx.Node]
    ) -> bool:
        """Whether a value of four dimensions is a map, folded; `sources` are all before it.

        What will soon be asked of the same source is looked at in the same runs.
        """
        pair = (source, target)
        if pair not in self._foldings:
            soon = self._read_soon(source, target, maps)
            read = [node for node in self._read if node in soon or target not in soon]
            others = self._unknown(source, [target, *read], self._foldings)
            foldings = look_at(
                self._experiment, source, others, lambda node: Folding(self._shape(node))
            )
            for node, folding in foldings.items():
                self._foldings[source, node] = folding
        if pair not in self._folded:
            folding = self._foldings[pair]
            self._folded[pair] = folding.is_folded or (
                folding.sees_all and self._folds(source, target, sources)
            )
        return self._folded[pair]

    def _read_soon(self, source: fx.Node, target: fx.Node, maps: set[fx.Node]) -> set[fx.Node]:
        """What lies behind `source` before the next map; what comes after `target` may be one."""
        path = self._traced.path
        later = set(path[path.index(target) :])

        def step(node: fx.Node) -> Iterable[fx.Node]:
            is_end = node in maps or (node in later and kind_of(node) in MAPS)
            return node.users if node is source or not is_end else ()

        return reachable([source], step)

    @cached_property
    def _read(self) -> list[fx.Node]:
        """What convolutions, norms and pools read that is not their own value."""
        operands = [node.all_input_nodes[0] for node in self._traced.path if kind_of(node) in MAPS]
        return [
            operand
            for operand in dict.fromkeys(operands)
            if kind_of(operand) not in MAPS and len(self._shape(operand)) == 4
        ]

    def _folds(self, source: fx.Node, target: fx.Node, sources: list[fx.Node]) -> bool:
        """Whether a value is a map, folded, by how much its elements depend on parts of the map.

        Its channels depend on different parts, and its outermost pixels on the same ones.
        """
        shape = self._shape(target)
        pixels = shape[2:].numel()
        generator = torch.Generator().manual_seed(0)
        chosen = torch.randperm(shape[1], generator=generator)[:NUM_CHANNELS] * pixels
        try:
            compared = chosen[:NUM_COMPARED].tolist()
            if self._gradients.of(source, target, compared, sources).overlap >= APART:
                return False
            first = self._gradients.of(source, target, chosen.tolist())
            last = self._gradients.of(source, target, (chosen + pixels - 1).tolist())
        except RuntimeError:  # no gradient: nothing before it is learned by training
            return False
        return first.together.overlap_with(last.together) > SPREAD

    def _shape(self, node: fx.Node) -> torch.Size:
        value = self._experiment.tensor(node)
        return torch.Size() if value is None else value.shape

    def _is_vouched(self, node: fx.Node, value: torch.Tensor, maps: set[fx.Node]) -> bool:
        vouched = False
        for operand in node.all_input_nodes:
            other = self._experiment.tensor(operand)
            if operand in maps:
                vouched = vouched or self._shape(operand)[2:] == value.shape[2:]
            elif other is not None and other.shape[-2:].numel() > 1:
                may_tell = operand in self._experiment.state_dependent or not _is_even(other)
                if operand not in self._experiment.varying and may_tell:
                    return False
                if operand in self._experiment.varying and not self._moves_along(operand, maps):
                    return False
        return vouched

    def list_before(self, start: fx.Node) -> list[fx.Node]:
        """The last maps before `start`, on each way back to the images; `start` if it is one."""
        return self._list_before(start, self.nodes)

    def _list_before(self, start: fx.Node, maps: set[fx.Node]) -> list[fx.Node]:
        return self._list_last(start, maps.__contains__)

    def _list_last(self, start: fx.Node, is_last: Callable[[fx.Node], bool]) -> list[fx.Node]:
        """The first nodes on each way from `start` back to the images that are such."""
        path = self._experiment.images_path

        def step(node: fx.Node) -> Iterable[fx.Node]:
            if is_last(node):
                return ()
            return [operand for operand in node.all_input_nodes if operand in path]

        return [node for node in reachable([start], step) if is_last(node)]

    def see(self, source: fx.Node, target: fx.Node, others: Iterable[fx.Node] = ()) -> Sight:
        """What the elements of `target` see of a map, when lines of its first image change.

        What is known of `target` soon is kept of `others` too: they are looked at in the same runs.
        """
        if (source, target) not in self._seen:
            unknown = self._unknown(source, [target, *others], self._seen)
            sightings = look_at(
                self._experiment, source, unknown or [target], lambda node: Sighting()
            )
            for node, sighting in sightings.items():
                self._seen[source, node] = sighting.sight
        return self._seen[source, target]

    def _unknown(
        self,
        source: fx.Node,
        nodes: Iterable[fx.Node],
        known: Container[tuple[fx.Node, fx.Node]],
    ) -> list[fx.Node]:
        """Those of the nodes that `source` leads to and of which nothing is known yet."""
        below = reachable([source], lambda node: node.users)
        return [
            node for node in dict.fromkeys(nodes) if node in below and (source, node) not in known
        ]


def _is_even(value: torch.Tensor) -> bool:
    """Whether all pixels of a value (..., H, W) are equal."""
    return value.ndim > 1 and bool((value == value[..., :1, :1]).all())


def _is_pointwise(node: fx.Node) -> bool:
    """Whether ATen declares an operation as one on single elements, or it is a dropout."""
    if not isinstance(node.target, Operation):
        return False
    tags = node.target.tags
    plain = kind_of(node).rstrip("_")
    return torch.Tag.pointwise in tags or plain in DROPOUTS | {"relu", "add", "mul"}
