"""The ATen operations of one forward, recorded as a graph while they run.

Each node's `meta` says where it comes from: "module", the path of the innermost module that ran
the operation ("block1.0", "" for the network itself), and "source", the line of code outside torch
that called it ("nets.py:31", "" where there is none). That of an input says in "tensor" what it
stands for: the name of a tensor of the state, "" for the images.
"""

import itertools
import operator
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch import fx, nn
from torch.utils.weak import WeakTensorKeyDictionary

from torchbudget.network.memory import Memory
from torchbudget.network.nodes import BATCH_NORMS, STATISTICS, updated_statistics
from torchbudget.network.private_torch import (
    Operation,
    OperationMode,
    argument_names,
    mutated_arguments,
    name_of,
)


class Recording(OperationMode):
    """Writes each operation that runs into `graph`. A subclass may look at what is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.graph = fx.Graph()
        self.attributes: dict[str, torch.Tensor] = {}
        self._memory = Memory(self._add_node)
        self._attribute_names = WeakTensorKeyDictionary()
        self._known: set[fx.Node] = set()  # computed from the code and the state alone
        self._running: ModuleStack | None = None

    def watch(self, network: nn.Module) -> "ModuleStack":
        """A context in which the modules of `network` that run name the operations."""
        self._running = ModuleStack(network)
        return self._running

    def add_input(self, tensor: torch.Tensor, name: str) -> None:
        """Declare the graph's next input: the tensor `name` of the state, or the images, ""."""
        node = self.graph.placeholder(f"input_{len(self.graph.nodes)}")
        node.meta["tensor"] = name
        self._memory.add(tensor, node)
        if name:
            self._memory.keep(tensor, node)
            self._known.add(node)

    def node_of(self, tensor: torch.Tensor) -> fx.Node:
        """The node that gives `tensor` as it is now, or a new one of a constant."""
        node = self._find_node(tensor)
        if node is not None:
            return node
        name: str | None = self._attribute_names.get(tensor)
        if name is None:
            name = f"constant_{len(self.attributes)}"
            self._attribute_names[tensor] = name
            self.attributes[name] = tensor
        node = self.graph.create_node("get_attr", name)
        self._memory.keep(tensor, node)
        return node

    def _find_node(self, tensor: torch.Tensor) -> fx.Node | None:
        try:
            return self._memory.node_of(tensor)
        except RuntimeError as error:
            raise RuntimeError(f"{source_line() or 'forward'} {error}") from error

    def finish(self, logits: torch.Tensor) -> None:
        """The forward has ended and gives `logits`."""
        output = self.node_of(logits)
        self._memory.write_back()
        self.graph.output([output])
        self._memory.prune()

    def __torch_dispatch__(
        self,
        func: Operation,
        types: tuple[type, ...],
        args: tuple[object, ...] = (),
        kwargs: dict[str, object] | None = None,
    ) -> object:
        kwargs = kwargs or {}
        if func is torch.ops.prim.device.default:
            return func(*args, **kwargs)
        if func is torch.ops.aten.lift_fresh.default:  # what `torch.tensor` ends with
            func = torch.ops.aten.lift_fresh_copy.default
        arguments = {**dict(zip(argument_names(func), args, strict=False)), **kwargs}
        statistics = list(tensors_of(updated_statistics(name_of(func), arguments)))
        reads = func is torch.ops.aten.is_nonzero.default
        if reads or torch.Tag.data_dependent_output in func.tags:
            if not self._is_known(func, list(tensors_of((args, kwargs)))):
                raise RuntimeError(f"forward takes a number out of a tensor by {name_of(func)}")
            return func(*args, **kwargs)
        written: list[torch.Tensor] = []
        if torch.Tag.inplace_view not in func.tags:
            written += tensors_of([arguments.get(name) for name in mutated_arguments(func)])

        def read(tensor: torch.Tensor) -> fx.Node:
            if any(tensor is moved for moved in statistics):
                node = self._memory.first_node_of(tensor)
            elif any(tensor is changed for changed in written):
                node = self._memory.node_to_write(tensor)
            else:
                node = None
            return node or self.node_of(tensor)

        moved = self._move(func, arguments) if statistics else []
        node = self._add_node(func, replace_tensors(args, read), replace_tensors(kwargs, read))
        if statistics:
            self._known.discard(node)
        value = self.run_operation(node, func, args, kwargs)
        self._follow(node, value)
        for tensor in written:
            self._memory.write(tensor, list(tensors_of(value)))
        for tensor, result in itertools.zip_longest(statistics, moved):
            self._memory.write(tensor, node=result)
        return value

    def _move(self, func: Operation, arguments: Mapping[str, object]) -> list[fx.Node]:
        """Nodes that give the statistics as a batch norm in training will leave them."""
        if name_of(func) not in BATCH_NORMS or any(arguments[name] is None for name in STATISTICS):
            return []
        names = ("input", "weight", "bias", *STATISTICS, "training", "momentum", "eps")
        operands = replace_tensors(tuple(arguments[name] for name in names), self.node_of)
        functional = torch.ops.aten._native_batch_norm_legit_functional.default
        norm = self._memory.make(functional, operands)
        return [self._memory.make(operator.getitem, (norm, index)) for index in (3, 4)]

    def _add_node(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any] | None = None
    ) -> fx.Node:
        node = self.graph.create_node("call_function", func, args, kwargs or {})
        node.meta["module"] = self._running.innermost if self._running else ""
        node.meta["source"] = source_line()
        draws = isinstance(func, Operation) and torch.Tag.nondeterministic_seeded in func.tags
        parts = node.all_input_nodes
        if not draws and all(part in self._known or part.op == "get_attr" for part in parts):
            self._known.add(node)
        return node

    def run_operation(
        self,
        node: fx.Node,
        func: Operation,
        args: tuple[object, ...],
        kwargs: dict[str, object],
    ) -> object:
        """The value of an operation; a subclass may measure how it runs."""
        return func(*args, **kwargs)

    def note_value(self, node: fx.Node, value: torch.Tensor) -> None:
        """Called with each value when it is there; a subclass may measure it."""

    def _is_known(self, func: Operation, operands: list[torch.Tensor]) -> bool:
        """Whether the value follows from the code and the state, not from images or chance."""
        if torch.Tag.nondeterministic_seeded in func.tags:
            return False
        nodes = [self._find_node(tensor) for tensor in operands]
        return all(node is None or node in self._known for node in nodes)

    def _follow(self, node: fx.Node, value: object) -> None:
        """Remember which node gave `value`, or each tensor in it."""
        if isinstance(value, torch.Tensor):
            self._memory.add(value, node)
            node.meta["shape"] = tuple(value.shape)
            self.note_value(node, value)
        elif isinstance(value, (tuple, list)):
            for index, part in enumerate(value):
                if isinstance(part, torch.Tensor):
                    item = self.graph.call_function(operator.getitem, (node, index))
                    item.meta["module"] = node.meta["module"]
                    item.meta["source"] = node.meta["source"]
                    self._follow(item, part)


class ModuleStack:
    """The paths of the modules that are running, from the outermost to the innermost.

    A module that is no part of the network counts as the one that calls it.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self._running = [""]
        self._hooks = ExitStack()

    @property
    def innermost(self) -> str:
        return self._running[-1]

    def __enter__(self) -> None:
        for path, module in self._network.named_modules():
            before = module.register_forward_pre_hook(partial(self._push, path))
            after = module.register_forward_hook(self._pop, always_call=True)
            self._hooks.callback(before.remove)
            self._hooks.callback(after.remove)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hooks.close()

    def _push(self, path: str, module: nn.Module, inputs: object) -> None:
        self._running.append(path)

    def _pop(self, module: nn.Module, inputs: object, output: object) -> None:
        if len(self._running) > 1:
            self._running.pop()


TORCH = str(Path(torch.__file__).parent)
JUDGE = str(Path(__file__).parents[1])


def source_line() -> str:
    """File and line of the innermost frame outside torch and the judge: "nets.py:31".

    "" where a layer of torch is called by the judge itself.
    """
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    while frame.f_back and frame.f_code.co_filename.startswith(TORCH):
        frame = frame.f_back
    name = frame.f_code.co_filename
    if name.startswith((TORCH, JUDGE)):
        return ""
    return f"{Path(name).name}:{frame.f_lineno}"


def tensors_of(arguments: object) -> Iterator[torch.Tensor]:
    """The tensors in an operation's arguments, which may be lists of them."""
    if isinstance(arguments, torch.Tensor):
        yield arguments
    elif isinstance(arguments, dict):
        yield from tensors_of(list(arguments.values()))
    elif isinstance(arguments, (tuple, list)):
        for argument in arguments:
            yield from tensors_of(argument)


def replace_tensors(arguments: Any, replace: Callable[[torch.Tensor], Any]) -> Any:
    """An operation's arguments with `replace(tensor)` in the place of each tensor."""
    if isinstance(arguments, torch.Tensor):
        return replace(arguments)
    if isinstance(arguments, dict):
        return {name: replace_tensors(value, replace) for name, value in arguments.items()}
    if isinstance(arguments, (tuple, list)):
        return type(arguments)(replace_tensors(value, replace) for value in arguments)
    return arguments
