"""What a network does that its operations' names do not tell: whether eval is a function of the image, whether dense layers weigh pixels."""

from collections.abc import Iterator

import torch
from torch import fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from torchbudget.network.compiled import run_eagerly
from torchbudget.network.structure import BATCH_NORMS, CONVOLUTIONS, DENSE
from torchbudget.network.trace import INPUT_SHAPE, Trace, call_with, closure, kind_of

TOLERANCE = 1e-4
"""Between the logits of an image alone and in a batch: kernels may add up in another order."""
NUM_IMAGES = 5
POOLS = {"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"}


# --- eval is a function of the image --------------------------------------------------------------


def misbehaviours(network: nn.Module) -> Iterator[str]:
    """In which ways `network` in eval mode is no function of one image. It may be changed by the attempt."""
    images = torch.randn((NUM_IMAGES, *INPUT_SHAPE[1:]), generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), run_eagerly(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network.eval()
        before = {
            name: tensor.clone()
            for name, tensor in network.state_dict().items()
            if isinstance(tensor, torch.Tensor)
        }
        together = network(images).clone()
        if not torch.equal(together, network(images)):
            yield "eval gives other logits for the same images a second time"
            return
        changed = [
            name
            for name, tensor in network.state_dict().items()
            if name in before and not torch.equal(before[name], tensor)
        ]
        if changed:
            yield f"a forward in eval mode changes {', '.join(changed[:3])}"
        try:
            alone = torch.cat([network(image) for image in images.split(1)])
        except Exception as error:
            yield f"eval does not take an image alone: {type(error).__name__}: {error}"
            return
        pairs = torch.cat([network(pair) for pair in images.split(2)])
        company = torch.cat([images[:1], 3 * images.flip(0)])
        strayed = max(
            (alone - together).abs().max().item(),
            (pairs - together).abs().max().item(),
            (network(company)[:1] - together[:1]).abs().max().item(),
        )
        if not strayed <= TOLERANCE * max(1.0, together.abs().max().item()):
            yield f"in eval an image's logits depend on its batch: they differ by {strayed:.3g}"


def misleads(network: nn.Module, traced: Trace) -> Iterator[str]:
    """In which ways `network`, fresh from `build`, computes something else than its eval trace shows."""
    with torch.no_grad(), run_eagerly(), torch.random.fork_rng(devices=[]):
        given, shown = network.eval()(traced.images), traced.run()
    if given.shape != shown.shape or not torch.allclose(given, shown, TOLERANCE, TOLERANCE):
        yield "the network gives other logits when it is traced than when it runs"
    if reason := _looks_at_values(network, traced):
        yield f"forward takes numbers out of its tensors and decides by them: {reason}"


def _looks_at_values(network: nn.Module, traced: Trace) -> str:
    """The error of a forward on tensors that have shapes and no values; "" where it needs no values."""
    fake = FakeTensorMode(allow_non_fake_inputs=True)
    state = {name: fake.from_tensor(tensor) for name, tensor in traced.state.items()}
    try:
        with torch.no_grad(), run_eagerly(), fake:
            call_with(network, state, fake.from_tensor(traced.images))
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    return ""


# --- dense layers on maps -------------------------------------------------------------------------


def dense_on_maps(traced: Trace) -> list[fx.Node]:
    """Dense layers whose result mixes pixels of a map that its operand keeps apart; a convolution to a single pixel is one by another name."""
    return [
        node
        for node in traced.on_path(DENSE | CONVOLUTIONS)
        if _has_weights(traced, node) and _mixes_pixels(traced, node)
    ]


def _has_weights(traced: Trace, node: fx.Node) -> bool:
    return any(operand not in set(traced.path) | {traced.input} for operand in node.all_input_nodes)


def _mixes_pixels(traced: Trace, layer: fx.Node) -> bool:
    value = traced.values[layer]
    if kind_of(layer) in CONVOLUTIONS and value.ndim == 4 and value.shape[2:].numel() > 1:
        return False
    on_path = set(traced.path) | {traced.input}
    back = closure(
        [layer],
        lambda node: (
            ()
            if node is not layer and _is_map(traced, node)
            else [each for each in node.all_input_nodes if each in on_path]
        ),
    )
    maps = [node for node in back if node is not layer and _is_map(traced, node)]
    operands = [node for node in layer.all_input_nodes if node in on_path]
    return any(
        _lines_seen(traced, source, layer)
        > max(_lines_seen(traced, source, operand) for operand in operands)
        for source in maps
    )


def _is_map(traced: Trace, node: fx.Node) -> bool:
    """Whether a node gives (N, C, H, W) of more than one pixel, in an order of dimensions that its kind vouches for."""
    known = node is traced.input or kind_of(node) in CONVOLUTIONS | BATCH_NORMS | POOLS
    value = traced.images if node is traced.input else traced.values.get(node)
    return known and value is not None and value.ndim == 4 and value.shape[2:].numel() > 1


def _lines_seen(traced: Trace, source: fx.Node, target: fx.Node) -> int:
    """The most rows, and columns, of the map `source` that one number of `target` depends on; 1 where it is `source` itself."""
    if source is target:
        return 2
    height, width = traced.values[source].shape[2:]
    rows = sum(
        _touched(traced, source, target, (slice(None), slice(None), line)).int()
        for line in range(height)
    )
    columns = sum(
        _touched(traced, source, target, (slice(None), slice(None), slice(None), line)).int()
        for line in range(width)
    )
    return int(rows.max()) + int(columns.max())


def _touched(traced: Trace, source: fx.Node, target: fx.Node, line: tuple) -> torch.Tensor:
    """Which numbers of `target` are no numbers any more when a line of `source` is none."""
    below = closure([source], lambda node: node.users) & closure(
        [target], lambda node: node.all_input_nodes
    )
    poisoned = traced.values[source].clone()
    poisoned[line] = torch.nan
    values: dict[fx.Node, object] = {**traced.values, source: poisoned}
    for node in traced.graph.nodes:
        if node in below and node is not source:
            if kind_of(node).endswith("_") and isinstance(values[node.args[0]], torch.Tensor):
                values[node.args[0]] = values[node.args[0]].clone()
            values[node] = node.target(
                *fx.node.map_arg(node.args, values.get), **fx.node.map_arg(node.kwargs, values.get)
            )
    return values[target].isnan()
