"""The operations of a graph: what they are called, what they lead to, and how one of them runs."""

import zlib
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import fx

from torchbudget.network.private_torch import (
    Operation,
    argument_names,
    mutated_arguments,
    name_of,
)


def reachable(
    start: Iterable[fx.Node], step: Callable[[fx.Node], Iterable[fx.Node]]
) -> set[fx.Node]:
    """All nodes that repeated `step`s from `start` lead to, `start` included."""
    reached: set[fx.Node] = set()
    waiting = list(start)
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting.extend(step(node))
    return reached


def between(starts: Iterable[fx.Node], ends: Iterable[fx.Node]) -> set[fx.Node]:
    """The nodes on the ways from any of `starts` to any of `ends`, these included."""
    below = reachable(starts, lambda node: node.users)
    return below & reachable(ends, lambda node: node.all_input_nodes)


def kind_of(node: fx.Node) -> str:
    """ATen name of an operation without namespace and overload: "conv2d"."""
    return name_of(node.target) if isinstance(node.target, Operation) else str(node.target)


def arguments_of(node: fx.Node) -> dict[str, object]:
    """The arguments that an operation was called with, by name; without those at their default."""
    if not isinstance(node.target, Operation):
        return {}
    names = argument_names(node.target)
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def written_operands(node: fx.Node) -> list[fx.Node]:
    """The operands whose memory an operation writes to: of an in-place one, or its `out`."""
    if not isinstance(node.target, Operation):
        return []
    arguments = arguments_of(node)
    operands: list[fx.Node] = []
    for name in mutated_arguments(node.target):
        value = arguments.get(name)
        parts = value if isinstance(value, (list, tuple)) else [value]
        operands += [part for part in parts if isinstance(part, fx.Node)]
    return operands


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of an operation's value; () where that is not one tensor."""
    return tuple(node.meta.get("shape", ()))


def describe_node(node: fx.Node) -> str:
    """An operation, its module and line: "the conv2d of stem.0 to (16, 12, 12) (net.py:31)"."""
    module = node.meta.get("module", "")
    source = node.meta.get("source", "")
    words = [f"the {kind_of(node)}"]
    if module:
        words.append(f"of {module}")
    if shape_of(node):
        words.append(f"to {shape_of(node)[1:]}")
    if source:
        words.append(f"({source})")
    return " ".join(words)


def draws_numbers(node: fx.Node) -> bool:
    """Whether an operation draws random numbers."""
    return isinstance(node.target, Operation) and (
        torch.Tag.nondeterministic_seeded in node.target.tags
    )


class Addresses:
    """Where tensors have their memory; that of the tensors that are given is asked for once.

    Those are kept: the id of a tensor that is gone may become that of another.
    """

    def __init__(self, values: Iterable[object] = ()) -> None:
        tensors = [value for value in values if isinstance(value, torch.Tensor)]
        self._known = {id(tensor): (tensor, _find_address(tensor)) for tensor in tensors}

    def of(self, tensor: torch.Tensor) -> int:
        """The address of the memory of a tensor, which views of it share; 0 of an empty one."""
        known = self._known.get(id(tensor))
        return _find_address(tensor) if known is None else known[1]


def _find_address(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


NOTHING_KNOWN = Addresses()


def run_node(
    node: fx.Node,
    current: dict[fx.Node, object],
    in_place: bool = False,
    seed: int = 0,
    addresses: Addresses = NOTHING_KNOWN,
) -> object:
    """The value of one operation on `current` values; see `replay`.

    Each operation that draws random numbers has a seed of its own, so that it draws the same ones
    when only a part of the graph runs again. `addresses` may know those of `current` values.
    """
    if not in_place:
        for operand in written_operands(node):
            _separate(operand, current, addresses)
    if draws_numbers(node):
        torch.default_generator.manual_seed(seed + zlib.crc32(node.name.encode()))

    def read(operand: fx.Node) -> Any:
        return current[operand]

    args: Any = fx.node.map_arg(node.args, read)
    kwargs: Any = fx.node.map_arg(node.kwargs, read)
    assert callable(node.target)
    if torch.is_grad_enabled() and isinstance(kwargs.get("out"), torch.Tensor):
        others = {name: value for name, value in kwargs.items() if name != "out"}
        return _write(node, kwargs["out"], args, others)
    return node.target(*args, **kwargs)


def _write(node: fx.Node, out: torch.Tensor, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    """Run an operation that writes to `out`: autograd takes it only as a value and a copy."""
    assert isinstance(node.target, Operation)
    value = node.target.overloadpacket(*args, **kwargs)
    if out.shape != value.shape:
        out.resize_(value.shape)
    return out.copy_(value)


def _separate(changing: fx.Node, current: dict[fx.Node, object], addresses: Addresses) -> None:
    """Give `changing`, and all `current` values that share its memory, a copy of that memory.

    Empty tensors share none: all of them have the address 0.
    """
    tensor = current[changing]
    if not isinstance(tensor, torch.Tensor):
        return
    if tensor.requires_grad or not tensor.untyped_storage().nbytes():
        current[changing] = tensor.clone()
        return
    address = addresses.of(tensor)
    copied = tensor.untyped_storage().clone()
    for node, value in current.items():
        if isinstance(value, torch.Tensor) and addresses.of(value) == address:
            view = torch.empty(0, dtype=value.dtype)
            current[node] = view.set_(copied, value.storage_offset(), value.shape, value.stride())
