"""What the names of a network's operations do not tell.

Whether it gives logits, whether eval is a function of one image, whether it computes what its
trace shows, and whether dense layers weigh the pixels of a map.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import fx, nn

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.private_torch import run_eagerly, without_values
from torchbudget.network.structure import BATCH_NORMS, CONVOLUTIONS, DENSE
from torchbudget.network.trace import Trace, call_with, kind_of, reachable, run_node

TOLERANCE = 1e-4
"""Between the logits of an image alone and in a batch: kernels may add up in another order."""
NUM_IMAGES = 5
SCALES = (0.1, 1.0, 3.0)
"""Random images are multiplied by these before it is asked whether the logits are probabilities."""
POOLS = {"max_pool2d", "avg_pool2d", "adaptive_avg_pool2d", "adaptive_max_pool2d"}


# --- eval is a function of the image --------------------------------------------------------------


def misbehaviours(network: nn.Module, image: ImageSpec) -> Iterator[str]:
    """Why `network` in eval mode is no function from one image to a logit for each class.

    The network may be changed by the attempt. Raises `NetworkError` where it does not run.
    """
    generator = torch.Generator().manual_seed(0)
    images = torch.randn((NUM_IMAGES, *image.shape), generator=generator)
    with torch.no_grad(), run_eagerly(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network.eval()
        before = _copy_state(network)
        try:
            together = network(images)
        except Exception as error:
            raise NetworkError(f"forward raises {type(error).__name__}: {error}") from error
        if reason := _describe_wrong_logits(together, image):
            yield reason
            return
        together = together.clone()
        if not torch.equal(together, network(images)):
            yield "eval gives other logits for the same images a second time"
            return
        if changed := _changed_names(network, before):
            yield f"a forward in eval mode changes {', '.join(changed[:3])}"
        if all(_are_probabilities(network(scale * images)) for scale in SCALES):
            yield "forward ends with a softmax: return the logits (a log_softmax is fine)"
        yield from _depends_on_batch(network, images, together)


def _copy_state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {
        name: tensor.clone()
        for name, tensor in network.state_dict().items()
        if isinstance(tensor, torch.Tensor)
    }


def _changed_names(network: nn.Module, before: dict[str, torch.Tensor]) -> list[str]:
    state = network.state_dict()
    return [name for name in state if name in before and not torch.equal(before[name], state[name])]


def _describe_wrong_logits(logits: object, image: ImageSpec) -> str:
    """What is wrong with the form of the logits of `NUM_IMAGES` images; "" for nothing."""
    wanted = f"(N, {image.num_classes}), a logit for each class"
    if not isinstance(logits, torch.Tensor):
        return f"forward gives a {type(logits).__name__}, not a tensor {wanted}"
    if logits.shape == (NUM_IMAGES, image.num_classes):
        return ""
    shape = list(map(str, logits.shape))
    if shape[:1] == [str(NUM_IMAGES)]:
        shape[0] = "N"
    return f"forward gives ({', '.join(shape)}), not {wanted}"


def _are_probabilities(logits: torch.Tensor) -> bool:
    sums = logits.sum(1)
    return bool((logits >= 0).all()) and torch.allclose(sums, torch.ones_like(sums), 0, TOLERANCE)


def _depends_on_batch(
    network: nn.Module, images: torch.Tensor, together: torch.Tensor
) -> Iterator[str]:
    """Whether an image's logits change alone, in pairs, or beside other images."""
    try:
        alone = torch.cat([network(image) for image in torch.split(images, 1)])
    except Exception as error:
        yield f"eval does not take an image alone: {type(error).__name__}: {error}"
        return
    pairs = torch.cat([network(pair) for pair in torch.split(images, 2)])
    company = torch.cat([images[:1], 3 * images.flip(0)])
    difference = max(
        (alone - together).abs().max().item(),
        (pairs - together).abs().max().item(),
        (network(company)[:1] - together[:1]).abs().max().item(),
    )
    if not difference <= TOLERANCE * max(1.0, together.abs().max().item()):
        yield f"in eval an image's logits depend on its batch: they differ by {difference:.3g}"


def differs_from_its_trace(network: nn.Module, traced: Trace) -> Iterator[str]:
    """How `network`, fresh from `build`, computes something else than its eval trace shows."""
    with torch.no_grad(), run_eagerly(), torch.random.fork_rng(devices=[]):
        logits = network.eval()(traced.images)
    shown = traced.run()
    if logits.shape != shown.shape or not torch.allclose(logits, shown, TOLERANCE, TOLERANCE):
        yield "the network gives other logits when it is traced than when it runs"
    if reason := _reads_values(network, traced):
        yield f"forward takes numbers out of its tensors and decides by them: {reason}"


def _reads_values(network: nn.Module, traced: Trace) -> str:
    """The error of a forward on tensors without values; "" where it needs no values."""
    mode = without_values()
    state: dict[str, torch.Tensor] = {}
    for name, tensor in traced.state.items():
        state[name] = mode.from_tensor(tensor)
    try:
        with torch.no_grad(), run_eagerly(), mode:
            call_with(network, state, mode.from_tensor(traced.images))
    except Exception as error:
        return f"{type(error).__name__}: {' '.join(str(error).split())[:160]}"
    return ""


# --- dense layers on maps -------------------------------------------------------------------------


def dense_on_maps(traced: Trace) -> list[fx.Node]:
    """Dense layers whose result mixes pixels of a map that their operand keeps apart.

    A convolution to a single pixel is a dense layer by another name.
    """
    return [
        node
        for node in traced.on_path(DENSE | CONVOLUTIONS)
        if _has_weights(traced, node) and _mixes_pixels(traced, node)
    ]


def _has_weights(traced: Trace, node: fx.Node) -> bool:
    from_images = {*traced.path, traced.input}
    return any(operand not in from_images for operand in node.all_input_nodes)


def _mixes_pixels(traced: Trace, layer: fx.Node) -> bool:
    value = traced.values[layer]
    if kind_of(layer) in CONVOLUTIONS and value.ndim == 4 and value.shape[2:].numel() > 1:
        return False
    from_images = {*traced.path, traced.input}

    def step(node: fx.Node) -> Iterable[fx.Node]:
        if node is not layer and _is_map(traced, node):
            return ()
        return [operand for operand in node.all_input_nodes if operand in from_images]

    sources = reachable([layer], step) - {layer}
    maps = [node for node in sources if _is_map(traced, node)]
    operands = [node for node in layer.all_input_nodes if node in from_images]
    for source in maps:
        kept = max(_count_lines(traced, source, operand) for operand in operands)
        if _count_lines(traced, source, layer) > kept:
            return True
    return False


def _is_map(traced: Trace, node: fx.Node) -> bool:
    """Whether a node gives (N, C, H, W) of more than one pixel, as its kind vouches for."""
    known = node is traced.input or kind_of(node) in CONVOLUTIONS | BATCH_NORMS | POOLS
    value = traced.images if node is traced.input else traced.values.get(node)
    return known and value is not None and value.ndim == 4 and value.shape[2:].numel() > 1


def _count_lines(traced: Trace, source: fx.Node, target: fx.Node) -> int:
    """The most rows plus the most columns of the map `source` that an element of `target` needs.

    Where `target` is `source` itself, these are one row and one column.
    """
    if source is target:
        return 2
    total = 0
    for dim in (2, 3):
        num_lines = traced.values[source].shape[dim]
        counts = [
            _depends_on_line(traced, source, target, dim, line).int() for line in range(num_lines)
        ]
        total += int(torch.stack(counts).sum(0).max())
    return total


def _depends_on_line(
    traced: Trace, source: fx.Node, target: fx.Node, dim: int, line: int
) -> torch.Tensor:
    """Which elements of `target` become NaN when line `line` of `source` along `dim` is NaN."""
    below = reachable([source], lambda node: node.users)
    between = below & reachable([target], lambda node: node.all_input_nodes)
    poisoned = traced.values[source].clone()
    poisoned.select(dim, line).fill_(torch.nan)
    values: dict[fx.Node, object] = {**traced.values, source: poisoned}
    for node in traced.graph.nodes:
        if node in between and node is not source:
            values[node] = run_node(node, values)
    result = values[target]
    assert isinstance(result, torch.Tensor)
    return result.isnan()
