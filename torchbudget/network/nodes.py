"""The operations of a graph: what they are called, what they lead to, and how one of them runs."""

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import torch
from torch import fx

from torchbudget.network.private_torch import (
    Operation,
    argument_names,
    mutated_arguments,
    name_of,
    qualified_name,
)

BATCH_NORMS = {
    "batch_norm",
    "native_batch_norm",
    "_native_batch_norm_legit",
    "_batch_norm_impl_index",
    "cudnn_batch_norm",
}
NORMS = BATCH_NORMS | {"instance_norm"}
STATISTICS = ("running_mean", "running_var")
T = TypeVar("T")


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


def updated_statistics(kind: str, arguments: Mapping[str, T]) -> list[T]:
    """The running statistics that an operation moves, which ATen does not declare.

    A norm in training does, and reads them for that alone. `arguments` are those of an operation,
    by name.
    """
    in_training = arguments.get("training", arguments.get("use_input_stats", True))
    if not in_training or kind.endswith(("_functional", "_no_training")):
        return []
    found = [arguments.get(name) for name in STATISTICS]
    return [value for value in found if value is not None]


def written_operands(node: fx.Node) -> list[fx.Node]:
    """The operands whose memory an operation writes to: of an in-place one, its `out`, or a norm's
    running statistics."""
    if not isinstance(node.target, Operation):
        return []
    arguments = arguments_of(node)
    written = [arguments.get(name) for name in mutated_arguments(node.target)]
    written += updated_statistics(kind_of(node), arguments)
    operands: list[fx.Node] = []
    for value in written:
        parts = value if isinstance(value, (list, tuple)) else [value]
        operands += [part for part in parts if isinstance(part, fx.Node)]
    return operands


def is_reshaping(node: fx.Node) -> bool:
    """Whether an operation in place changes no numbers, only the shape of what holds them."""
    return isinstance(node.target, Operation) and torch.Tag.inplace_view in node.target.tags


def reads_memory(node: fx.Node) -> bool:
    """Whether what an operation gives depends on how the elements of an operand lie in memory."""
    if not isinstance(node.target, Operation):
        return False
    name = qualified_name(node.target)
    return "strided" in name or kind_of(node) in {"resize_", "resize_as_", "set_", "_reshape_alias"}


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


def run_node(
    node: fx.Node, current: dict[fx.Node, object], in_place: bool = False, seed: int = 0
) -> object:
    """The value of one operation on `current` values; see `replay`.

    Unless `in_place`, what it writes to is a copy. Each operation that draws random numbers has a
    seed of its own, so that it draws the same ones when only a part of the graph runs again.
    """
    written = () if in_place else written_operands(node)
    if draws_numbers(node):
        torch.default_generator.manual_seed(seed + zlib.crc32(node.name.encode()))

    def read(operand: fx.Node) -> Any:
        value = current[operand]
        return value.clone() if operand in written and isinstance(value, torch.Tensor) else value

    args: Any = fx.node.map_arg(node.args, read)
    kwargs: Any = fx.node.map_arg(node.kwargs, read)
    assert callable(node.target)
    if torch.is_grad_enabled() and isinstance(kwargs.get("out"), torch.Tensor):
        others = {name: value for name, value in kwargs.items() if name != "out"}
        return _write(node, kwargs["out"], args, others)
    kind = kind_of(node)
    is_hollow = "empty" in kind or ("resize" in kind and not args[0].numel())
    value: object = node.target(*args, **kwargs)
    if is_hollow and isinstance(value, torch.Tensor):
        value.zero_()  # so that each run finds the same in memory that nothing was written to
    return value


def _write(node: fx.Node, out: torch.Tensor, args: Any, kwargs: dict[str, Any]) -> torch.Tensor:
    """Run an operation that writes to `out`: autograd takes it only as a value and a copy."""
    assert isinstance(node.target, Operation)
    value = node.target.overloadpacket(*args, **kwargs)
    if out.shape != value.shape:
        out.resize_(value.shape)
    return out.copy_(value)
