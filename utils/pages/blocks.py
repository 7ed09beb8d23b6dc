"""A network as blocks for a picture: an operation with weights, and what follows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import fx

from torchbudget.network.inspection import Inspection
from torchbudget.network.layers import LayerRow
from torchbudget.network.trace import Trace

RESHAPING = {"flatten", "reshape", "squeeze", "unsqueeze", "view"}
QUIET = RESHAPING | {"alias", "clone", "contiguous", "detach", "dropout", "to"}
"""Operations that a picture need not name: in eval they leave every number as it is."""


IMAGE = -1
"""Stands for the image among the blocks that a block takes its values from."""


@dataclass(kw_only=True)
class Block:
    """What is drawn as one box.

    `label` names the operation that it begins with, `then` what follows it; `shape` is what leaves
    it, without the batch. `inputs` are the positions of the blocks that it takes its values from,
    or `IMAGE`.
    """

    label: str
    shape: tuple[int, ...]
    inputs: set[int]
    then: list[str] = field(default_factory=list)
    params: int = 0


def make_blocks(inspection: Inspection) -> list[Block]:
    """The blocks between the image and the logits; raises `Unmeasurable`.

    A block begins at an operation that multiplies, and wherever several values meet.
    """
    trace = inspection.eval_trace
    path = {trace.input, *trace.path}
    nodes = [node for node in trace.path if node.meta.get("shape")]
    layers: Sequence[LayerRow] = inspection.layers
    if len(nodes) != len(layers):
        nodes = []
    blocks: list[Block] = []
    block_of: dict[fx.Node, int] = {}
    for node, layer in zip(nodes, layers, strict=False):
        operands = [operand for operand in node.all_input_nodes if operand in path]
        sources = {block_of.get(operand, IMAGE) for operand in operands}
        name = layer.operation.rstrip("_")
        if layer.multiply_adds or sources != {len(blocks) - 1}:
            label = name_operation(trace, node, layer)
            blocks.append(Block(label=label, shape=layer.shape, inputs=sources))
        elif name not in QUIET:
            blocks[-1].then.append(name.replace("_", " "))
        if name not in RESHAPING:
            blocks[-1].shape = layer.shape
        blocks[-1].params += layer.params
        block_of[node] = len(blocks) - 1
    return blocks


def name_operation(trace: Trace, node: fx.Node, layer: LayerRow) -> str:
    """Such as "convolution 5x5", "linear", "add"."""
    name = layer.operation.rstrip("_")
    if not name.startswith("conv"):
        return name.replace("_", " ")
    names = [trace.names[operand] for operand in node.all_input_nodes if operand in trace.names]
    kernels = [trace.state[name].shape[2:] for name in names if name]
    kernel = next((kernel for kernel in kernels if kernel), ())
    return f"convolution {'x'.join(map(str, kernel))}".strip()
