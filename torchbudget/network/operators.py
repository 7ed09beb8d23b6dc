"""Which operations a network's graph may hold: ATen's own that compute on tensors and numbers.

An operation is known by its name, "aten::conv2d.default", and is looked up in torch's own table;
reading a graph imports nothing and evaluates nothing.
"""

import functools
import operator
from collections.abc import Callable
from typing import Any

import torch

from torchbudget.errors import NetworkError
from torchbudget.network.private_torch import Operation, argument_types, qualified_name

NAMESPACE = "aten"
PART = "getitem"
"""Takes one tensor out of the several that an operation gives."""
PLAIN = {"Tensor", "number", "float", "int", "bool", "Device", "Generator"}
"""Types of arguments by which an operation can only compute; a generator is never given."""
WORDS = {"UPLO", "approximate", "driver", "equation", "indexing", "interpolation", "mode", "norm"}
WORDS |= {"ord", "p", "pad_mode", "padding", "padding_mode", "padding_side", "reduce"}
WORDS |= {"reduction", "rounding_mode", "side"}
"""Arguments that are a word which chooses a way to compute; a file's name is none of them."""


def name_operation(operation: Operation) -> str:
    """The name under which a graph holds `operation`; raises `NetworkError` for one it may not."""
    name = qualified_name(operation)
    if not _is_allowed(operation):
        raise NetworkError(f"forward runs {name}, which is no operation of ATen on tensors alone")
    return name


@functools.cache
def find_operation(name: str) -> Callable[..., Any]:
    """The operation of that name; raises `NetworkError` for one that a graph may not hold."""
    if name == PART:
        return operator.getitem
    space, _, rest = name.partition("::")
    packet, _, overload = rest.rpartition(".")
    if space == NAMESPACE and packet.isidentifier() and overload.isidentifier():
        found = getattr(getattr(torch.ops.aten, packet, None), overload, None)
        if isinstance(found, Operation) and qualified_name(found) == name and _is_allowed(found):
            return found
    raise NetworkError(f"{name!r} is no operation that a graph may hold")


@functools.cache
def _is_allowed(operation: Operation) -> bool:
    """Whether the operation is ATen's, takes plain values, and gives a tensor."""
    if operation.namespace != NAMESPACE:
        return False
    arguments, results = argument_types(operation)
    plain = all(kind in PLAIN or (kind == "str" and name in WORDS) for name, kind in arguments)
    return plain and "Tensor" in results
