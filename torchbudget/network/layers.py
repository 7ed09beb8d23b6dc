"""A network operation by operation: what each gives, sees, holds and costs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import fx

from torchbudget.data.images import ImageSpec
from torchbudget.network.nodes import kind_of, reachable
from torchbudget.network.trace import Trace, run_through


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


def receptive_field(value: torch.Tensor, image: ImageSpec) -> int | None:
    """The largest square of pixels that one element of `value` depends on.

    `value` was computed from `probe_images(image)`; None where it is not a batch of them.
    """
    _, height, width = image.shape
    if value.ndim < 2 or len(value) != height + width:
        return None
    touched = value.isnan()
    if value.ndim == 4:  # the channels of a map mostly see the same pixels: look at one of them
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


class Probe:
    """What each operation of an eval forward gives and sees, from one run of its trace.

    `traced` is a trace on `probe_images`, of images of the form `image`. No value is kept after
    its last use. Raises `NetworkError` where an operation takes no images with NaN.
    """

    def __init__(self, traced: Trace, image: ImageSpec) -> None:
        self.trace = traced
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}
        self.receptive_fields: dict[fx.Node, int | None] = {}

        def meet(node: fx.Node, call: Callable[[], object], operands: object) -> object:
            value = call()
            if isinstance(value, torch.Tensor):
                self.shapes[node] = tuple(value.shape)
                self.receptive_fields[node] = receptive_field(value, image)
            return value

        with torch.no_grad():
            run_through(traced, meet)
