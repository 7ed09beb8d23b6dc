"""The numbers that a network keeps, counted as information: a number is 32 bits.

A parameter counts whether or not it is used; any other tensor counts if the logits in eval need
it, wherever it came from. A wider or complex element counts in proportion. A floating-point
element that is narrower than 32 bits counts as one: halving the precision leaves the number of
parameters as it is. Integers and booleans count by their bits.
"""

import hashlib
import math
from dataclasses import dataclass

import torch
from torch import fx

from torchbudget.network.description import count_literals
from torchbudget.network.nodes import reachable
from torchbudget.network.statistics import free_statistics
from torchbudget.network.trace import Trace

NUMBER_BITS = 32


@dataclass(frozen=True)
class Information:
    """What a network keeps, in numbers of 32 bits, by what holds them.

    `used` is the part of `parameters` that the logits depend on, `trainable` the part that
    requires a gradient. `hidden` is what is held outside the parameters: buffers, constants, and
    the literals and wiring of the graph above what honest graphs need. `statistics` names the
    buffers that count as nothing, as long as the training images give them back.
    """

    parameters: dict[str, int]
    used: int
    trainable: int
    hidden: dict[str, int]
    statistics: frozenset[str]

    @property
    def num_declared(self) -> int:
        """The parameters that the network declares."""
        return sum(self.parameters.values())

    @property
    def num_hidden(self) -> int:
        """Numbers held outside the parameters."""
        return sum(self.hidden.values())

    @property
    def total(self) -> int:
        """All numbers that the network keeps."""
        return self.num_declared + self.num_hidden


def count_information(train: Trace, evaluating: Trace) -> Information:
    """The numbers that a network keeps, from its traces in train and in eval mode."""
    parameters: dict[str, int] = {}
    for traced in (train, evaluating):
        for name in sorted(traced.parameters):
            parameters[name] = count_numbers(traced.state[name])
    used = train.used | evaluating.used
    trainable = train.trainable | evaluating.trainable
    statistics = frozenset(free_statistics(train, evaluating))
    return Information(
        parameters=parameters,
        used=sum(count for name, count in parameters.items() if name in used),
        trainable=sum(count for name, count in parameters.items() if name in trainable),
        hidden=_count_hidden(evaluating, statistics | train.parameters | evaluating.parameters),
        statistics=statistics,
    )


def _count_hidden(evaluating: Trace, free: frozenset[str]) -> dict[str, int]:
    hidden: dict[str, int] = {}
    for name in evaluating.state:
        if name in evaluating.used - free:
            hidden[f"buffer {name}"] = count_numbers(evaluating.state[name])
    for name in sorted(_needed_constants(evaluating)):
        tensor = evaluating.attributes[name]
        label = f"constant {list(tensor.shape)} ({_digest(tensor)[:6]})"
        hidden[label] = count_numbers(tensor)
    literals = count_literals(evaluating)
    if literals:
        hidden["literals and wiring of the graph"] = literals
    return hidden


def _needed_constants(traced: Trace) -> set[str]:
    """The constants whose numbers the logits depend on, not their shape alone."""

    def step(node: fx.Node) -> list[fx.Node]:
        if "_like" in str(node.target) or str(node.target).startswith("aten.new_"):
            return []
        return node.all_input_nodes

    needed = reachable([traced.output], step)
    return {str(node.target) for node in needed if node.op == "get_attr"}


def count_numbers(tensor: torch.Tensor) -> int:
    """Numbers of 32 bits that a tensor holds, rounded up."""
    bits = tensor.element_size() * 8
    if tensor.dtype == torch.bool:
        bits = 1
    elif tensor.is_floating_point() or tensor.is_complex():
        bits = max(bits, NUMBER_BITS)
    return math.ceil(tensor.numel() * bits / NUMBER_BITS)


def _digest(tensor: torch.Tensor) -> str:
    numbers = tensor.detach().cpu().contiguous().flatten().view(torch.uint8)
    form = f"{tensor.dtype}{list(tensor.shape)}"
    return hashlib.sha256(form.encode() + numbers.numpy().tobytes()).hexdigest()
