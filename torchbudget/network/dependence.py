"""How much the elements of a value depend on each part of a map, by gradients.

NaN shows on what an element depends, however little. Where a small mean of everything is added to
a map, or the map is written in another basis, each element depends on each pixel, and yet the
pixels are as far apart as before: that shows in how much each element depends on each of them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import fx

from torchbudget.network.experiment import Experiment, Values

GRIDS = (6, 4, 3)
"""Sides of the grids of blocks into which a map is divided, the finest first."""
MAX_GRADIENTS = 320
"""The most elements of a value whose gradients are taken to count what they tell apart."""
CUTOFF = 0.01
"""Singular values below this share of the largest count as zero."""
MAX_KNOWN = 2048
"""The most elements of which the gradients are kept."""
NUM_COMPARED = 8
"""Elements of a value that are compared with each other."""
APART = 0.15
"""Elements whose shares overlap less than this are of other places."""
SPREAD = 0.6
"""Elements whose shares overlap more than this are of the same places."""


@dataclass(frozen=True)
class Grid:
    """The blocks of a map (C, H, W); `num_apart` places are a quarter of them, three at least."""

    channels: int
    rows: int
    columns: int

    @property
    def num_apart(self) -> int:
        return max(3, self.rows * self.columns // 4)

    @property
    def num_gradients(self) -> int:
        """Elements whose gradients can show that so many places are told apart."""
        return self.num_apart * self.channels + 8


def divide(shape: Iterable[int]) -> Grid:
    """The finest grid of a map (N, C, H, W) for which few enough gradients are needed."""
    _, channels, height, width = shape
    grids = [Grid(channels, min(height, side), min(width, side)) for side in GRIDS]
    return next((grid for grid in grids if grid.num_gradients <= MAX_GRADIENTS), grids[-1])


@dataclass(frozen=True)
class Dependence:
    """Gradients of some elements at the blocks of a map, over all images; (K, C, rows, columns)."""

    gradients: torch.Tensor

    @cached_property
    def _shares(self) -> torch.Tensor:
        """(K, rows, columns): how much of an element's dependence is on each block; the sum is 1.

        NaN where an element depends on nothing.
        """
        squares = self.gradients.double().square().sum(1)
        return squares / squares.sum((1, 2), keepdim=True)

    @property
    def overlap(self) -> float:
        """The share of two elements' dependence that is on the same blocks, in the mean; 1 at most.

        1 also where there are no two elements.
        """
        shares = self._shares.flatten(1)
        shares = shares[~shares.isnan().any(1)]
        number = len(shares)
        if number < 2:
            return 1.0
        common = torch.minimum(shares[:, None], shares).sum(2)
        return float((common.sum() - number) / (number * (number - 1)))

    def overlap_with(self, other: "Dependence") -> float:
        """The same of each element and the one of `other` with its number; 0 where none is left."""
        common = torch.minimum(self._shares, other._shares).sum((1, 2))
        common = common[~common.isnan()]
        return float(common.mean()) if len(common) else 0.0

    @property
    def covers_a_line(self) -> bool:
        """Whether an element depends on all blocks of a row or a column, about equally."""
        lines = (self._shares.sum(1), self._shares.sum(2))
        return any(
            bool((line.amin(1) > CUTOFF * line.amax(1)).any())
            for line in lines
            if line.shape[1] > 1
        )

    @property
    def together(self) -> "Dependence":
        """All elements as one."""
        return Dependence(self.gradients.square().sum(0, keepdim=True).sqrt())

    @property
    def num_places(self) -> float:
        """How many places the elements tell apart: combinations of them, for each in one block."""
        blocks = self.gradients.flatten(2)
        here = max(_rank(blocks[:, :, block]) for block in range(blocks.shape[2]))
        return _rank(blocks.flatten(1)) / here if here else 0.0


def _rank(rows: torch.Tensor) -> int:
    rows = rows.double()
    sizes = rows.norm(dim=1, keepdim=True)
    rows = (rows / sizes)[sizes[:, 0] > 0]
    if not len(rows):
        return 0
    values = torch.linalg.svdvals(rows)
    return int((values > CUTOFF * values[0]).sum())


class Gradients:
    """Gradients of elements of values at earlier maps, from one run of a trace on `images`.

    Where an operation has no gradient, its value is taken for a number that nothing comes before.
    """

    def __init__(self, experiment: Experiment, images: torch.Tensor) -> None:
        self._experiment = experiment
        self._images = images
        self._known: dict[tuple[fx.Node, int], dict[fx.Node, torch.Tensor]] = {}

    @cached_property
    def _values(self) -> Values:
        return self._experiment.run_differentiably(self._images)

    @cached_property
    def _changed(self) -> Values:
        """The values when the first image is another one."""
        changed = self._images.clone()
        changed[:1] = torch.randn(changed[:1].shape, generator=_seeded())
        return self._experiment.run(changed)

    def grid_of(self, source: fx.Node) -> Grid:
        """The blocks of a map."""
        return divide(self._start(source).shape)

    def draw(self, target: fx.Node, number: int) -> list[int]:
        """Numbers of elements of a value that are of the first image, drawn at random.

        They are drawn with the same seed each time. Those are of the first image that change most
        when it is another one.
        """
        flat = _flatten(self._values[target]).detach()
        change = (_flatten(self._changed[target]) - flat).abs()
        numbers = change.topk(max(1, flat.numel() // len(self._images))).indices.sort().values
        return numbers[_shuffle(len(numbers))][:number].tolist()

    def of(
        self,
        source: fx.Node,
        target: fx.Node,
        elements: Iterable[int],
        beside: Iterable[fx.Node] = (),
    ) -> Dependence:
        """How much these elements of a value depend on the blocks of the map `source`.

        `beside` are maps of which the same will be asked: one pass finds it for all of them.
        """
        sources = list(dict.fromkeys([source, *beside]))
        rows = [self._find(source, target, element, sources) for element in elements]
        grid = self.grid_of(source)
        empty = torch.zeros(0, grid.channels, grid.rows, grid.columns)
        return Dependence(torch.stack(rows) if rows else empty)

    def operands(self, target: fx.Node, element: int, operand: fx.Node) -> list[int]:
        """Numbers of the elements of `operand` that an element of a value depends on, shuffled."""
        (gradient,) = self._differentiate(target, element, [operand])
        numbers = _flatten(gradient).nonzero()[:, 0]
        return numbers[_shuffle(len(numbers))].tolist()

    def _find(
        self, source: fx.Node, target: fx.Node, element: int, sources: list[fx.Node]
    ) -> torch.Tensor:
        known = self._known.get((target, element), {})
        if source not in known:
            if len(self._known) >= MAX_KNOWN:
                self._known.clear()
            gradients = self._differentiate(target, element, sources)
            known = {
                node: _divide(gradient, self.grid_of(node))
                for node, gradient in zip(sources, gradients, strict=True)
            }
            self._known[target, element] = known
        return known[source]

    def _start(self, source: fx.Node) -> torch.Tensor:
        value = self._values[source]
        assert isinstance(value, torch.Tensor)
        return value

    def _differentiate(
        self, target: fx.Node, element: int, sources: list[fx.Node]
    ) -> tuple[torch.Tensor, ...]:
        """Gradients of an element of a value; raises `RuntimeError` where it has none."""
        return torch.autograd.grad(
            _flatten(self._values[target])[element],
            [self._start(source) for source in sources],
            retain_graph=True,
            allow_unused=True,
            materialize_grads=True,
        )


def _divide(gradient: torch.Tensor, grid: Grid) -> torch.Tensor:
    """(C, rows, columns): sums over the blocks and the images, each pixel with its own sign.

    Without the signs, what has a mean of 0 in each block would be lost.
    """
    _, _, height, width = gradient.shape
    signs = torch.randint(0, 2, (height, width), generator=_seeded()) * 2 - 1
    signed = gradient.sum(0) * signs
    rows = torch.arange(height) * grid.rows // height
    columns = torch.arange(width) * grid.columns // width
    by_row = signed.new_zeros(len(signed), grid.rows, width).index_add(1, rows, signed)
    blocks = by_row.new_zeros(len(signed), grid.rows, grid.columns)
    return blocks.index_add(2, columns, by_row)


def _flatten(value: object) -> torch.Tensor:
    """The elements of a value, of its first tensor if it has several; the parts of complex ones."""
    value = value[0] if isinstance(value, (tuple, list)) else value
    if not isinstance(value, torch.Tensor):
        raise RuntimeError("a value without a tensor has no gradient")
    flat = value.flatten()
    return torch.view_as_real(flat).flatten() if flat.is_complex() else flat


def _shuffle(number: int) -> torch.Tensor:
    return torch.randperm(number, generator=_seeded())


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)
