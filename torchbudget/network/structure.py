"""What a network is made of, judged on its traces: size, identity, and the structure that a budget can require."""

import hashlib
import json

import torch
from torch import fx, nn
from torch.utils.flop_counter import FlopCounterMode

from torchbudget.data.images import ImageSpec
from torchbudget.network.compiled import run_eagerly
from torchbudget.network.trace import Trace, closure, kind_of, trace

CONVOLUTIONS = {"conv1d", "conv2d", "conv3d", "conv_transpose2d", "convolution", "_convolution"}
BATCH_NORMS = {
    "batch_norm",
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_batch_norm_impl_index",
    "cudnn_batch_norm",
}
DROPOUTS = {
    "dropout",
    "dropout_",
    "feature_dropout",
    "feature_dropout_",
    "alpha_dropout",
    "feature_alpha_dropout",
    "native_dropout",
}
DENSE = {"linear", "addmm", "mm", "matmul", "bmm", "baddbmm"}


# --- size -----------------------------------------------------------------------------------------


def count_params(network: nn.Module) -> int:
    """All parameters that the network declares, tied ones once, whether or not they are used."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_used(network: nn.Module, *traces: Trace) -> int:
    """The parameters that the logits depend on in any of `traces`, tied ones once."""
    used = set().union(*(each.used for each in traces))
    tensors = {
        parameter.data_ptr(): parameter.numel()
        for name, parameter in network.named_parameters(remove_duplicate=False)
        if name in used
    }
    return sum(tensors.values())


def count_multiply_adds(network: nn.Module, image: ImageSpec) -> int:
    """Multiply-adds of convolutions and matrix products for one image, as `torch.utils.flop_counter` counts them."""
    was_training = network.training
    with torch.no_grad(), run_eagerly(), FlopCounterMode(display=False) as counter:
        getattr(network.eval(), "_orig_mod", network)(torch.zeros(1, *image.shape))
    network.train(was_training)
    return counter.get_total_flops() // 2


# --- identity -------------------------------------------------------------------------------------


def network_digest(network: nn.Module, image: ImageSpec) -> str:
    """SHA-256 of what the network computes in train and in eval mode; names in the source, comments and formatting do not enter."""
    return traces_digest(trace(network, image, True), trace(network, image, False))


def traces_digest(train: Trace, evaluating: Trace) -> str:
    """`network_digest` of a network that has been traced in both modes."""
    return hashlib.sha256("\n".join(map(_canonical, (train, evaluating))).encode()).hexdigest()


def _canonical(traced: Trace) -> str:
    """The computation as text, a line an operation, operands by number."""
    numbers: dict[fx.Node, str] = {}
    lines = []
    for node in traced.graph.nodes:
        if node not in traced.computing:
            continue
        numbers[node] = f"%{len(numbers)}"
        if node.op == "placeholder":
            name = traced.names[node]
            body = f"tensor {name} {list(traced.state[name].shape)}" if name else "images"
        elif node.op == "get_attr":
            tensor = getattr(traced.module, node.target)
            body = f"constant {list(tensor.shape)} {hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()}"
        elif node.op == "output":
            body = "logits " + _literal(node.args, numbers)
        else:
            body = f"{kind_of(node)} {_literal(node.args, numbers)} {_literal(dict(node.kwargs), numbers)}"
        lines.append(f"{numbers[node]} {body}")
    return "\n".join(lines)


def _literal(value: object, numbers: dict[fx.Node, str]) -> str:
    return json.dumps(fx.node.map_arg(value, lambda node: numbers[node]), default=str)


# --- structure ------------------------------------------------------------------------------------


def unnormalised_convolutions(traced: Trace) -> list[fx.Node]:
    """Convolutions with a way to the next layer with weights, or the logits, that meets no batch norm: one by batch statistics where traced in train."""
    norms = {node for node in traced.on_path(BATCH_NORMS) if node in traced.influences}
    normalising = (
        {node for node in norms if normalises_by_batch(node)} if traced.training else norms
    )
    convolutions = [node for node in traced.on_path(CONVOLUTIONS) if node in traced.influences]
    return [node for node in convolutions if _escapes(traced, node, normalising)]


def _escapes(traced: Trace, layer: fx.Node, stops: set[fx.Node]) -> bool:
    """Whether the result of `layer` reaches the next layer with weights, or the logits, past all `stops`."""

    def is_end(node: fx.Node) -> bool:
        return node is not layer and (node.op == "output" or kind_of(node) in CONVOLUTIONS | DENSE)

    reached = closure([layer], lambda node: () if node in stops or is_end(node) else node.users)
    return any(is_end(node) and node in traced.computing for node in reached)


def normalises_by_batch(node: fx.Node) -> bool:
    """Whether a batch norm uses the batch's own statistics (its `training` argument)."""
    names = [argument.name for argument in node.target._schema.arguments]
    return bool(node.args[names.index("training")]) if "training" in names else False


def dropout_probability(node: fx.Node) -> float:
    """The p of a dropout that acts; 0 for one that is inert."""
    named = dict(
        zip([argument.name for argument in node.target._schema.arguments], node.args, strict=False)
    ) | dict(node.kwargs)
    return float(named["p"]) if named.get("train", True) else 0.0


def active_dropouts(traced: Trace) -> list[fx.Node]:
    """Dropouts on the path with 0 < p < 1 that move the logits."""
    return [
        node
        for node in traced.on_path(DROPOUTS)
        if 0 < dropout_probability(node) < 1 and node in traced.influences
    ]


def global_averages(traced: Trace) -> set[fx.Node]:
    """Operations that move the logits and whose value is the mean of an earlier map over all its pixels, whatever they are called."""
    values = {
        node: traced.values[node]
        for node in traced.path
        if node in traced.values and node in traced.influences
    }
    maps = [value for value in values.values() if value.ndim == 4 and value.shape[2:].numel() > 1]
    means = [mean for value in maps if (mean := value.mean((2, 3))).any()]
    return {
        node for node, value in values.items() if any(_is_vector(value, mean) for mean in means)
    }


def _is_vector(value: torch.Tensor, mean: torch.Tensor) -> bool:
    """Whether `value` is `mean` (N, C), perhaps with empty spatial sides, within rounding."""
    return (
        value.ndim >= 2
        and value.numel() == mean.numel()
        and value.shape[:2] == mean.shape
        and torch.allclose(value.flatten(1), mean, 1e-4, 1e-6)
    )


def bypasses(traced: Trace, gates: set[fx.Node]) -> bool:
    """Whether the logits can be reached from the images without passing one of `gates`."""
    reached = closure([traced.input], lambda node: () if node in gates else node.users)
    return any(node.op == "output" for node in reached)
