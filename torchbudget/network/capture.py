"""Captures a network as programs, where its own code runs.

The forward runs on batches of several sizes while its operations are recorded. What differs between
the recordings by a whole multiple of the batch is a `Batch`; a network whose recordings differ
otherwise has no graph that takes any number of images.
"""

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from torchbudget.data.images import ImageSpec
from torchbudget.errors import NetworkError
from torchbudget.network.captured import Network
from torchbudget.network.operators import PART, name_operation
from torchbudget.network.private_torch import Operation
from torchbudget.network.program import (
    CONSTANT,
    IMAGES,
    STATE,
    Batch,
    Program,
    Ref,
    Step,
    holds_batch,
)
from torchbudget.network.trace import Trace, trace

SIZES = (2, 3, 5)
"""Batches that are recorded: two give the multiple, a third confirms it where there is one."""


def capture(make: Callable[[], nn.Module], image: ImageSpec) -> Network:
    """What the network that `make` gives is, for images of the form `image`.

    `make` is called for each recording, so that what a forward leaves behind shows in no other.
    Raises `NetworkError`.
    """
    constants: dict[str, torch.Tensor] = {}
    first = make()
    train = _capture_form(make, first, image, True, constants)
    evaluating = _capture_form(make, make(), image, False, constants)
    parameters: dict[str, torch.Tensor] = dict(first.named_parameters())
    state = parameters | dict(first.named_buffers())
    return Network(
        image=image,
        train=train,
        evaluating=evaluating,
        state={name: tensor.detach().clone() for name, tensor in state.items()},
        constants=constants,
        names=_name_tensors(first, state),
        parameters=frozenset(parameters),
        trainable=frozenset(name for name, tensor in state.items() if tensor.requires_grad),
    )


def _name_tensors(network: nn.Module, state: dict[str, torch.Tensor]) -> dict[str, str]:
    """The tensor of `state` behind each name of the `state_dict`."""
    first = {id(tensor): name for name, tensor in state.items()}
    kept = set(network.state_dict())
    tensors = _all_tensors(network)
    return {name: first[id(tensor)] for name, tensor in tensors.items() if name in kept}


def _all_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers under every name that they have."""
    parameters = nn.Module.named_parameters(network, remove_duplicate=False)
    return {**dict(parameters), **dict(nn.Module.named_buffers(network, remove_duplicate=False))}


def _capture_form(
    make: Callable[[], nn.Module],
    first: nn.Module,
    image: ImageSpec,
    training: bool,
    constants: dict[str, torch.Tensor],
) -> Program:
    """The train or the eval form; new constants are added to `constants`."""
    recordings = [_record(first, image, training, SIZES[0])]
    fixed = None
    try:
        recordings.append(_record(make(), image, training, SIZES[1]))
        steps = _merge(recordings)
        if any(holds_batch((step.args, step.kwargs)) for step in steps):
            recordings.append(_record(make(), image, training, SIZES[2]))
            steps = _merge(recordings)
    except NetworkError:
        if not training:
            raise
        fixed = SIZES[0]  # the batch of training is the recipe's; only eval takes any number
        steps = _merge(recordings[:1])
    names = _name_constants(recordings[0], constants)
    steps = [
        Step(CONSTANT, (names[step.args[0]],), {}, step.module, step.source)
        if step.operation == CONSTANT
        else step
        for step in steps
    ]
    nodes = list(recordings[0].graph.nodes)
    (output,) = nodes[-1].all_input_nodes
    return Program(tuple(steps), nodes.index(output), fixed)


def _record(network: nn.Module, image: ImageSpec, training: bool, size: int) -> Trace:
    """A trace on `size` images; chance in the code is drawn alike in each."""
    random.seed(0)
    np.random.seed(0)
    return trace(network, image, training, num_images=size)


def _name_constants(recording: Trace, constants: dict[str, torch.Tensor]) -> dict[str, str]:
    """The names under which `constants` holds the tensors of a recording; equal ones share one."""
    names = {}
    for name, tensor in recording.attributes.items():
        plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous()
        for known, other in constants.items():
            if _are_same(plain, other):
                names[name] = known
                break
        else:
            names[name] = f"constant_{len(constants)}"
            constants[names[name]] = plain
    return names


def _are_same(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return (
        one.view(torch.uint8).equal(other.view(torch.uint8)) if one.ndim else _is_scalar(one, other)
    )


def _is_scalar(one: torch.Tensor, other: torch.Tensor) -> bool:
    return _are_same(one.view(1), other.view(1))


# --- several recordings as one --------------------------------------------------------------------


def _merge(recordings: list[Trace]) -> list[Step]:
    """The steps of recordings at `SIZES`; raises `NetworkError` at the first that differs."""
    graphs = [list(recording.graph.nodes)[:-1] for recording in recordings]
    positions = [{node: number for number, node in enumerate(nodes)} for nodes in graphs]
    lengths = {len(nodes) for nodes in graphs}
    steps = []
    for nodes in zip(*graphs, strict=False):
        node = nodes[0]
        where = _place(node)
        if len({_operation_of(node, recordings[0]) for node in nodes}) > 1:
            raise NetworkError(f"forward runs other operations for another batch{where}")
        if node.op == "placeholder":
            name = recordings[0].names[node]
            steps.append(Step(STATE, (name,)) if name else Step(IMAGES))
            continue
        if node.op == "get_attr":
            _check_same_constant(nodes, recordings, where)
            steps.append(Step(CONSTANT, (str(node.target),), {}, *_origin(node)))
            continue
        try:
            args = _merge_values([tuple(node.args) for node in nodes], positions)
            kwargs = _merge_values([dict(node.kwargs) for node in nodes], positions)
        except _Differs as error:
            kind = _operation_of(node, recordings[0])
            raise NetworkError(
                f"{kind}{where} depends on the number of images: {error}; write forward, so that "
                "it takes any number"
            ) from error
        steps.append(Step(_operation_of(node, recordings[0]), tuple(args), kwargs, *_origin(node)))
    if len(lengths) > 1:
        raise NetworkError("forward runs more or fewer operations for another batch")
    return steps


class _Differs(Exception):
    """Arguments that are no whole multiple of the batch."""


def _merge_values(values: list[Any], positions: list[dict[fx.Node, int]]) -> Any:
    first = values[0]
    if isinstance(first, fx.Node):
        steps = {
            place[value] if isinstance(value, fx.Node) else None
            for value, place in zip(values, positions, strict=True)
        }
        if len(steps) > 1:
            raise _Differs("another operand for another batch")
        return Ref(positions[0][first])
    if len({type(value) for value in values}) > 1:
        raise _Differs(", ".join(map(repr, values)))
    if isinstance(first, (list, tuple)):
        if len({len(value) for value in values}) > 1:
            raise _Differs(", ".join(map(repr, values)))
        return [_merge_values(list(parts), positions) for parts in zip(*values, strict=True)]
    if isinstance(first, dict):
        if len({tuple(value) for value in values}) > 1:
            raise _Differs(", ".join(map(repr, values)))
        return {name: _merge_values([value[name] for value in values], positions) for name in first}
    if type(first) is int and len(set(values)) > 1:
        scale = (values[1] - first) // (SIZES[1] - SIZES[0])
        batch = Batch(scale, first - scale * SIZES[0])
        if all(value == batch.at(size) for value, size in zip(values, SIZES, strict=False)):
            return batch
    if any(value != first and value == value for value in values):  # NaN is not equal to itself
        raise _Differs(", ".join(map(repr, values)))
    return first


def _operation_of(node: fx.Node, recording: Trace) -> str:
    if node.op != "call_function":
        return node.op
    return name_operation(node.target) if isinstance(node.target, Operation) else PART


def _check_same_constant(nodes: tuple[fx.Node, ...], recordings: list[Trace], where: str) -> None:
    tensors = [
        recording.attributes[str(node.target)].detach().cpu().contiguous()
        for node, recording in zip(nodes, recordings, strict=True)
    ]
    if not all(_are_same(tensors[0], tensor) for tensor in tensors[1:]):
        raise NetworkError(f"a constant{where} is another one for another batch")


def _origin(node: fx.Node) -> tuple[str, str]:
    return str(node.meta.get("module", "")), str(node.meta.get("source", ""))


def _place(node: fx.Node) -> str:
    """Where an operation stands, as messages say it: " in block1.conv (nets.py:31)"."""
    module, source = _origin(node)
    return (f" in {module}" if module else "") + (f" ({source})" if source else "")
