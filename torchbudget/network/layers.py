"""A network operation by operation: what each gives, sees, holds and costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import fx

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.captured import Network
from torchbudget.network.nodes import kind_of, reachable
from torchbudget.network.trace import Trace, counterparts, run_through

NUM_DRAWS = 2
"""Pairs of images of each kind that are tried: a change can go unnoticed by chance."""
ROUNDING = 1e-5
"""A value is another one if it differs by more than this share of the largest."""


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


def layer_table(probe: "Probe", multiply_adds: Mapping[fx.Node, int]) -> list[LayerRow]:
    """A row for each operation between the images and the logits of an eval trace.

    `multiply_adds` are those of each operation for one image. A parameter is counted in the row of
    the operation that uses it first, so that the column adds up to the parameters used.
    """
    traced = probe.trace
    counted: set[str] = set()
    rows = []
    for node in traced.path:
        if node in probe.shapes:
            entering = _entering(traced, node)
            names = [name for name in entering if name in traced.parameters - counted]
            counted.update(names)
            owners = [name.rpartition(".")[0] or name for name in names]
            rows.append(
                LayerRow(
                    operation=kind_of(node),
                    name=", ".join(dict.fromkeys(owners)),
                    shape=probe.shapes[node][1:],
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


def probe_images(image: ImageSpec) -> torch.Tensor:
    """(H + W, C, H, W): one image per row, then one per column, with that line set to NaN.

    Any output that depends on the line becomes NaN, even through zero weights.
    """
    channels, height, width = image.shape
    images = torch.zeros(height + width, channels, height, width)
    for row in range(height):
        images[row, :, row, :] = torch.nan
    for column in range(width):
        images[height + column, :, :, column] = torch.nan
    return images


def receptive_field(touched: torch.Tensor, image: ImageSpec) -> int | None:
    """The largest square of pixels that one element of a value depends on.

    `touched` says which elements, of which of `H + W` images, depend on the line that differs in
    it, as in `probe_images`; None where the value is not a batch of them.
    """
    _, height, width = image.shape
    if touched.ndim < 2 or len(touched) != height + width:
        return None
    if touched.ndim == 4:  # the channels of a map mostly see the same pixels: look at one of them
        anywhere = touched.any(1)
        touched = anywhere if torch.equal(anywhere, touched.all(1)) else touched
    touched = touched.flatten(1)  # (H + W, elements)
    return min(_widest_span(touched[:height]), _widest_span(touched[height:]))


def _widest_span(touched: torch.Tensor) -> int:
    """The longest way from the first to the last True of a column of (lines, elements)."""
    num_lines = len(touched)
    lines = torch.arange(1, num_lines + 1, dtype=torch.int16).unsqueeze(1)
    first = lines.where(touched, num_lines + 1).amin(0)
    last = lines.where(touched, 0).amax(0)
    return int((last - first + 1).clamp(min=0).max())


Touched = Callable[[fx.Node, torch.Tensor], torch.Tensor]
"""Which elements of an operation's value depend on the line that differs."""


class Probe:
    """What each operation of an eval forward gives and sees.

    Elements that see a line of NaN become NaN. Where an operation takes no NaN, or loses it as a
    comparison does, the lines are changed as well: an element that sees one becomes another. No
    value is kept after its last use. Raises `NetworkError` where the network does not run.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}
        self.receptive_fields: dict[fx.Node, int | None] = {}
        self.trace = network.form(training=False, images=probe_images(network.image))
        try:
            reached = self._meet(self.trace, lambda node, value: value.isnan())
        except Exception:
            reached = False
        if not reached:
            self._change_lines()

    def _meet(self, traced: Trace, find_touched: Touched) -> bool:
        """Run once, note what each operation sees; say whether each line reaches the logits."""
        same = counterparts(traced, self.trace)
        reached: dict[fx.Node, bool] = {}

        def meet(node: fx.Node, call: Callable[[], object], operands: object) -> object:
            value = call()
            if isinstance(value, torch.Tensor):
                touched = find_touched(node, value)
                field = receptive_field(touched, self._network.image)
                known = self.receptive_fields.get(same[node])
                self.shapes[same[node]] = tuple(value.shape)
                self.receptive_fields[same[node]] = (
                    field if known is None else max(known, field or 0)
                )
                reached[node] = bool(touched.flatten(1).any(1).all()) if touched.ndim > 1 else False
            return value

        with torch.no_grad():
            run_through(traced, meet)
        return reached.get(traced.output.all_input_nodes[0], False)

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
        lines = probe_images(self._network.image).isnan()
        number = len(lines)
        unchanged = self._network.form(training=False, images=one.repeat(number, 1, 1, 1))
        changed = self._network.form(training=False, images=other.where(lines, one))
        same = counterparts(changed, unchanged)
        values: dict[fx.Node, torch.Tensor] = {}

        def keep(node: fx.Node, call: Callable[[], object], operands: object) -> object:
            value = call()
            if isinstance(value, torch.Tensor) and value.ndim and len(value) == number:
                values[node] = value[:1].clone()
            return value

        def differs(node: fx.Node, value: torch.Tensor) -> torch.Tensor:
            if same[node] not in values:
                return torch.zeros(value.shape, dtype=torch.bool)
            before = values[same[node]]
            if not value.is_floating_point():
                return value != before
            return (value - before).abs() > ROUNDING * before.abs().max()

        with torch.no_grad():
            run_through(unchanged, keep)
        self._meet(changed, differs)
