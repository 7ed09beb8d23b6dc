"""A network operation by operation: what each gives, how much of the image it sees, what it holds and what it costs."""

from dataclasses import dataclass

import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from torchbudget.data.images import ImageSpec
from torchbudget.network.trace import INPUT_SHAPE, Recorder, Trace, closure, kind_of, trace

SIDE = INPUT_SHAPE[-1]
PROBES = 2 * SIDE


@dataclass(frozen=True)
class LayerRow:
    """One operation on the path. `name` owns its parameters; `shape` is without the batch; counts are for one image.

    `receptive_field` is the side of the square of pixels that one number of the result can depend on, None where the result is no batch.
    """

    operation: str
    name: str
    shape: tuple[int, ...]
    receptive_field: int | None
    params: int
    multiply_adds: int


def layer_table(network: nn.Module, image: ImageSpec) -> list[LayerRow]:
    """A row for each operation between the images and the logits in eval mode; raises `NetworkError`.

    A parameter stands in the row of the operation that uses it first, so that the column adds up to the parameters used.
    """
    probe = Probe(trace(network, image, training=False, batch=PROBES))
    parameters, seen, rows = set(dict(network.named_parameters())), set(), []
    for node in probe.trace.path:
        if node in probe.recorded:
            names = [name for name in _entering(probe.trace, node) if name in parameters - seen]
            seen.update(names)
            rows.append(_row(probe, node, names))
    return rows


def _row(probe: "Probe", node: fx.Node, names: list[str]) -> LayerRow:
    value = probe.recorded[node]
    return LayerRow(
        operation=kind_of(node),
        name=", ".join(dict.fromkeys(name.rpartition(".")[0] or name for name in names)),
        shape=tuple(value.shape[1:]),
        receptive_field=receptive_field(value),
        params=sum(probe.trace.state[name].numel() for name in names),
        multiply_adds=probe.multiply_adds[node],
    )


def probe_images() -> torch.Tensor:
    """Images whose n-th row, then whose n-th column, is not a number: whatever depends on it becomes none, through zero weights too."""
    images = torch.zeros(PROBES, *INPUT_SHAPE[1:])
    for line in range(SIDE):
        images[line, :, line, :] = images[SIDE + line, :, :, line] = torch.nan
    return images


def receptive_field(value: torch.Tensor) -> int | None:
    """The largest square of image lines that one number of `value`, computed from `probe_images`, depends on."""
    if value.ndim < 2 or len(value) != PROBES:
        return None
    touched = value.isnan().flatten(1)  # (PROBES, numbers)
    return min(_widest_span(touched[:SIDE]), _widest_span(touched[SIDE:]))


def _widest_span(touched: torch.Tensor) -> int:
    """The longest way from the first to the last True of a column of (lines, numbers)."""
    lines = torch.arange(1, SIDE + 1, dtype=torch.int8).unsqueeze(1)
    first = lines.where(touched, SIDE + 1).amin(0)
    last = lines.where(touched, 0).amax(0)
    return int((last - first + 1).clamp(min=0).max())


def _entering(traced: Trace, node: fx.Node) -> list[str]:
    """Names of the tensors that enter at `node`, directly or through a computation that the images have no part in."""
    path = set(traced.path)
    entering = closure(
        [node],
        lambda each: (
            [operand for operand in each.all_input_nodes if operand not in path]
            if each is node or each not in path
            else ()
        ),
    )
    return [name for each, name in traced.names.items() if name and each in entering]


class Probe(Recorder):
    """The values of a trace of `PROBES` images on `probe_images`, and the multiply-adds of each operation for one image."""

    def __init__(self, traced: Trace) -> None:
        super().__init__(traced, images=probe_images())
        self.multiply_adds: dict[fx.Node, int] = {}
        self.record()

    def run_node(self, node: fx.Node) -> object:
        with FlopCounterMode(display=False) as counter:
            value = super().run_node(node)
        self.multiply_adds[node] = (
            counter.get_total_flops() // 2 + self._outer_products(node, value)
        ) // PROBES
        return value

    def _outer_products(self, node: fx.Node, value: object) -> int:
        """Products of a multiplication that spreads both its operands: a matrix product by another name."""
        if kind_of(node) not in {"mul", "multiply"} or not isinstance(value, torch.Tensor):
            return 0
        sizes = [self.env[operand].numel() for operand in node.all_input_nodes]
        return value.numel() if len(sizes) == 2 and value.numel() > max(sizes) else 0
