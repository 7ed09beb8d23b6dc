"""What a network is made of, judged on its traces: size, identity and required structure."""

import hashlib
import json
from typing import Any

from torch import fx, nn

from torchbudget.data.images import ImageSpec
from torchbudget.network.multiply_adds import count_multiply_adds
from torchbudget.network.nodes import BATCH_NORMS, arguments_of, kind_of, reachable
from torchbudget.network.trace import Trace, trace

__all__ = ["count_multiply_adds"]  # beside the other sizes

CONVOLUTIONS = {"conv1d", "conv2d", "conv3d", "conv_transpose2d", "convolution", "_convolution"}
NORMALISATIONS = BATCH_NORMS | {
    "instance_norm",
    "group_norm",
    "native_group_norm",
    "layer_norm",
    "native_layer_norm",
    "rms_norm",
    "_fused_rms_norm",
    "softmax",
    "_softmax",
    "log_softmax",
    "_log_softmax",
}
"""Operations that divide what they read by its own size; ATen fixes what they compute."""
DROPOUTS = {
    "dropout",
    "dropout_",
    "feature_dropout",
    "feature_dropout_",
    "alpha_dropout",
    "feature_alpha_dropout",
    "native_dropout",
}


# --- size -------------------------------------------------------------------------------------


def count_params(network: nn.Module) -> int:
    """All parameters that the network declares, tied ones once, whether or not they are used."""
    return sum(parameter.numel() for parameter in network.parameters())


# --- identity -------------------------------------------------------------------------------------


def network_digest(network: nn.Module, image: ImageSpec) -> str:
    """SHA-256 of what the network computes in train and in eval mode.

    Names in the source, comments and formatting do not enter. Raises `NetworkError`.
    """
    return traces_digest(trace(network, image, True), trace(network, image, False))


def traces_digest(train: Trace, evaluating: Trace) -> str:
    """`network_digest` of a network that has been traced in both modes."""
    text = "\n".join([_canonical(train), _canonical(evaluating)])
    return hashlib.sha256(text.encode()).hexdigest()


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
            tensor = traced.attributes[str(node.target)]
            digest = hashlib.sha256(tensor.contiguous().numpy().tobytes()).hexdigest()
            body = f"constant {list(tensor.shape)} {digest}"
        elif node.op == "output":
            body = "logits " + _literal(node.args, numbers)
        else:
            args = _literal(node.args, numbers)
            body = f"{kind_of(node)} {args} {_literal(dict(node.kwargs), numbers)}"
        lines.append(f"{numbers[node]} {body}")
    return "\n".join(lines)


def _literal(value: Any, numbers: dict[fx.Node, str]) -> str:
    return json.dumps(fx.node.map_arg(value, lambda node: numbers[node]), default=str)


# --- structure ------------------------------------------------------------------------------------


def dropout_probability(node: fx.Node) -> float:
    """The p of a dropout that acts; 0 for one that is inert."""
    arguments = arguments_of(node)
    probability = arguments.get("p")
    if not isinstance(probability, (int, float)) or not arguments.get("train", True):
        return 0.0
    return float(probability)


def bypasses(traced: Trace, gates: set[fx.Node]) -> bool:
    """Whether the logits can be reached from the images without passing one of `gates`."""
    reached = reachable([traced.input], lambda node: () if node in gates else node.users)
    return any(node.op == "output" for node in reached)
