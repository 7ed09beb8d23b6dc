"""A network operation by operation: what each gives, sees, holds and costs."""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import fx

from torchbudget.errors import NetworkError
from torchbudget.network.captured import Network
from torchbudget.network.nodes import kind_of, reachable
from torchbudget.network.trace import Trace, counterparts, run_through

NUM_DRAWS = 2
"""Pairs of images of each kind that are tried: a change can go unnoticed by chance."""
ROUNDING = 1e-5
"""A value is another one if it differs by more than this share of the largest."""
MAX_ELEMENTS = 2**24
"""Elements of a value, of all images of a run, from which on a run is of fewer images."""
NO_LINE = 2**15 - 1
"""The first line of what sees none."""


@dataclass(frozen=True)
class LayerRow:
    """One operation on the path; counts are for one image.

    `name` owns its parameters, `shape` is without the batch. `receptive_field` is the side of the
    square of pixels that one element of the result can depend on; None where the result is not a
    batch of images.
    """

    operation: str
    name: str
    shape: tuple[int, ...]
    receptive_field: int | None
    params: int
    multiply_adds: int


def layer_table(
    traced: Trace, probe: "Probe", multiply_adds: Mapping[fx.Node, int]
) -> list[LayerRow]:
    """A row for each operation between the images and the logits of an eval trace.

    `multiply_adds` are those of each operation for one image. A parameter is counted in the row of
    the operation that uses it first, so that the column adds up to the parameters used.
    """
    counted: set[str] = set()
    rows = []
    for node in traced.path:
        if node in probe.receptive_fields:
            entering = _entering(traced, node)
            names = [name for name in entering if name in traced.parameters - counted]
            counted.update(names)
            owners = [name.rpartition(".")[0] or name for name in names]
            rows.append(
                LayerRow(
                    operation=kind_of(node),
                    name=", ".join(dict.fromkeys(owners)),
                    shape=node.meta["shape"][1:],
                    receptive_field=probe.receptive_fields[node],
                    params=sum(traced.state[name].numel() for name in names),
                    multiply_adds=multiply_adds.get(node, 0),
                )
            )
    return rows


def _entering(traced: Trace, node: fx.Node) -> list[str]:
    """Names of the tensors that enter at `node`, also through operations that no image reaches."""
    path = set(traced.path)

    def step(operation: fx.Node) -> list[fx.Node]:
        if operation in path and operation is not node:
            return []
        return [operand for operand in operation.all_input_nodes if operand not in path]

    entering = reachable([node], step)
    return [name for placeholder, name in traced.names.items() if name and placeholder in entering]


# --- what an element depends on -----------------------------------------------------------------


def change_lines(
    one: torch.Tensor, other: torch.Tensor, dim: int, first: int, number: int
) -> torch.Tensor:
    """(number, C, H, W): copies of an image, in each of which the next line is that of `other`.

    The lines, from `first` on, are rows if `dim` is 1 and columns if it is 2. Copies for which no
    line is left are as `one`.
    """
    images = one.repeat(number, 1, 1, 1)
    for image, line in zip(images, range(first, one.shape[dim]), strict=False):
        image.select(dim, line).copy_(other.select(dim, line))
    return images


class Span:
    """The lines from the first to the last that each element of a value depends on."""

    def __init__(self) -> None:
        self._first = torch.tensor(NO_LINE, dtype=torch.int16)
        self._last = torch.tensor(-1, dtype=torch.int16)

    def add(self, touched: torch.Tensor, first: int) -> None:
        """Note which elements depend on lines, from `first` on; bool (lines, ...)."""
        if touched.ndim == 4:  # the channels of a map mostly see the same pixels: keep one of them
            anywhere = touched.any(1, keepdim=True)
            touched = anywhere if torch.equal(anywhere, touched.all(1, keepdim=True)) else touched
        lines = torch.arange(first, first + len(touched), dtype=torch.int16)
        lines = lines.view(-1, *[1] * (touched.ndim - 1))
        self._first = torch.minimum(self._first, lines.where(touched, NO_LINE).amin(0))
        self._last = torch.maximum(self._last, lines.where(touched, -1).amax(0))

    @property
    def widest(self) -> int:
        """The most lines from the first to the last that one element depends on."""
        return max(0, int((self._last - self._first + 1).max()))


Touched = Callable[[fx.Node, torch.Tensor], torch.Tensor]
"""Which elements of an operation's value depend on the line that differs."""


@dataclass
class _Seen:
    """What the operations of a run see of the lines of one dimension.

    A value that is no batch of images has no span. `reached` says whether each line so far reaches
    the logits, `error` what ended the run.
    """

    spans: dict[fx.Node, Span | None] = field(default_factory=dict)
    reached: bool = True
    error: Exception | None = None


class Probe:
    """What each operation of an eval trace sees, by its node.

    Elements that see a line of NaN become NaN. Where an operation takes no NaN, or loses it as a
    comparison does, the lines are changed as well: an element that sees one becomes another. No
    value is kept after its last use, and rows are changed before columns. Raises `NetworkError`
    where the network does not run.
    """

    def __init__(self, network: Network, traced: Trace) -> None:
        self._network = network
        self._traced = traced
        self.receptive_fields: dict[fx.Node, int | None] = {}
        zeros = torch.zeros(network.image.shape)
        try:
            reached = self._meet(zeros, zeros + torch.nan, lambda node, value: value.isnan())
        except Exception:
            reached = False
        if not reached:
            self._change_lines()

    def _meet(self, one: torch.Tensor, other: torch.Tensor, find_touched: Touched) -> bool:
        """Note what each operation sees when lines of an image become those of another one.

        Says whether each line reaches the logits. What was seen before an error is noted, too.
        """
        rows, columns = (self._see(one, other, dim, find_touched) for dim in (1, 2))
        for node in rows.spans.keys() & columns.spans.keys():
            spans = rows.spans[node], columns.spans[node]
            side = min(spans[0].widest, spans[1].widest) if spans[0] and spans[1] else None
            known = self.receptive_fields.get(node)
            self.receptive_fields[node] = side if known is None else max(known, side or 0)
        for error in filter(None, (rows.error, columns.error)):
            raise error
        return rows.reached and columns.reached

    def _see(
        self, one: torch.Tensor, other: torch.Tensor, dim: int, find_touched: Touched
    ) -> _Seen:
        seen = _Seen()
        num_lines = one.shape[dim]
        number = self._choose_number(num_lines)
        output = self._traced.output.all_input_nodes[0]

        def note(node: fx.Node, value: torch.Tensor) -> None:
            touched = find_touched(node, value)
            is_batch = touched.ndim > 1 and len(touched) == number
            span = seen.spans.setdefault(node, Span() if is_batch else None)
            touched = touched[: num_lines - first]
            if span is not None:
                span.add(touched, first)
            if node is output:
                seen.reached &= is_batch and bool(touched.flatten(1).any(1).all())

        try:
            for first in range(0, num_lines, number):
                self._run(change_lines(one, other, dim, first, number), note)
        except Exception as error:
            seen.error = error
        return seen

    def _choose_number(self, most: int) -> int:
        """The number of images in a run: about `most`, fewer where values are large.

        No value has it for its first dimension, unless it is a batch of images.
        """
        shapes = [node.meta["shape"] for node in self._traced.graph.nodes if "shape" in node.meta]
        largest = max(map(math.prod, shapes)) // len(self._traced.images)
        least = min(most, max(MAX_ELEMENTS // max(largest, 1), 1))
        taken = {shape[0] for shape in shapes if shape}
        return next(number for number in itertools.count(least) if number not in taken)

    def _run(self, images: torch.Tensor, note: Callable[[fx.Node, torch.Tensor], None]) -> None:
        """Run the eval form on images; `note` meets the value of each operation of the trace."""
        traced = self._network.form(training=False, images=images)
        same = counterparts(traced, self._traced)

        def meet(node: fx.Node, call: Callable[[], object], operands: object) -> object:
            value = call()
            if isinstance(value, torch.Tensor):
                note(same[node], value)
            return value

        with torch.no_grad():
            run_through(traced, meet)

    def _change_lines(self) -> None:
        """Change lines of pairs of images, normalised and from 0 to 1, of which some must run."""
        errors = []
        generator = torch.Generator().manual_seed(0)
        shape = (2, *self._network.image.shape)
        for draw in [torch.randn, torch.rand] * NUM_DRAWS:
            try:
                self._change(*draw(shape, generator=generator))
            except Exception as error:
                errors.append(error)
        if len(errors) == 2 * NUM_DRAWS:
            raise NetworkError(f"the captured network does not run: {errors[0]}") from errors[0]

    def _change(self, one: torch.Tensor, other: torch.Tensor) -> None:
        """Note which operations see that a line of one image is the other's."""
        number = self._choose_number(one.shape[1])
        values: dict[fx.Node, torch.Tensor] = {}

        def keep(node: fx.Node, value: torch.Tensor) -> None:
            if value.ndim and len(value) == number:
                values[node] = value[:1].clone()

        def differs(node: fx.Node, value: torch.Tensor) -> torch.Tensor:
            if node not in values:
                return torch.zeros(value.shape, dtype=torch.bool)
            before = values[node]
            if not value.is_floating_point():
                return value != before
            return (value - before).abs() > ROUNDING * before.abs().max()

        self._run(one.repeat(number, 1, 1, 1), keep)
        self._meet(one, other, differs)
