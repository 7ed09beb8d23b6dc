"""The parts of torch that are not its public API, all in this file, none of them patched.

A new minor version of torch may change them. The test of this file names the versions that were
tried and fails for any other.
"""

import functools
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

TRIED_VERSIONS = ("2.11", "2.15")
"""Minor versions of torch with which the tests of this package passed."""

Operation = torch._ops.OpOverload
"""An ATen operation, such as `torch.ops.aten.conv2d.default`."""


class OperationMode(TorchDispatchMode):
    """A mode whose `__torch_dispatch__` runs each ATen operation.

    In `torch.inference_mode` it meets operations as they are called, such as `linear`; otherwise
    it meets what they decompose into.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # else the first operation imports the compiler, more than a second


@functools.cache
def name_of(operation: Operation) -> str:
    """An operation's ATen name without namespace and overload: "conv2d"."""
    return str(operation._schema.name).split("::")[-1]


def qualified_name(operation: Operation) -> str:
    """An operation's whole name: "aten::conv2d.default"."""
    return f"{operation._schema.name}.{operation._overloadname}"


def argument_types(operation: Operation) -> tuple[list[tuple[str, str]], list[str]]:
    """(name, type) of each argument, and the type of each result, lists and options unwrapped."""

    def unwrap(kind: object) -> str:
        return str(kind).replace("Optional[", "").replace("List[", "").rstrip("]")

    schema = operation._schema
    arguments = [(str(argument.name), unwrap(argument.type)) for argument in schema.arguments]
    return arguments, [unwrap(result.type) for result in schema.returns]


def memory_of(tensor: torch.Tensor) -> StorageWeakRef:
    """What stands for the memory of a tensor: equal for tensors that share it.

    As long as it is kept, no other memory is equal to it, even when the tensor is gone.
    """
    return StorageWeakRef(tensor.untyped_storage())


@functools.cache
def mutated_arguments(operation: Operation) -> tuple[str, ...]:
    """The names of the arguments that an operation writes to."""
    return tuple(
        str(argument.name)
        for argument in operation._schema.arguments
        if argument.alias_info is not None and argument.alias_info.is_write
    )


def is_view(operation: Operation) -> bool:
    """Whether an operation's value shares the memory of an operand, and nothing is written."""
    returns = operation._schema.returns
    return bool(returns) and all(
        part.alias_info is not None and not part.alias_info.is_write for part in returns
    )


@functools.cache
def argument_names(operation: Operation) -> tuple[str, ...]:
    """The names of an operation's arguments, in their order."""
    return tuple(str(argument.name) for argument in operation._schema.arguments)


def default_arguments(operation: Operation) -> dict[str, object]:
    """What the arguments are that an operation is not given, by name, where they have a default."""
    return {
        str(argument.name): argument.default_value
        for argument in operation._schema.arguments
        if argument.has_default_value()
    }


def inner_network(network: nn.Module) -> nn.Module:
    """The network that `torch.compile` wrapped, or the network itself."""
    inner = getattr(network, "_orig_mod", network)
    return inner if isinstance(inner, nn.Module) else network


@contextmanager
def without_fast_attention() -> Iterator[None]:
    """Run attention by the operations that training runs, not by the fused ones of inference."""
    enabled = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(enabled)


def run_eagerly() -> AbstractContextManager[object]:
    """Run what `torch.compile` wrapped as if it were not; the compiler is not imported for it."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance
