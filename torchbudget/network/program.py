"""A network as plain data: the operations that lead from images to logits, a line each.

A program is captured where the network's own code runs (`torchbudget.network.capture`), written as
JSON, and read by the judge, who runs no code but the operations that `operators` allows. What
depends on the number of images is a `Batch`, so a program takes any number of them.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import fx

from torchbudget.errors import NetworkError
from torchbudget.network.operators import find_operation

IMAGES, STATE, CONSTANT = "images", "state", "constant"
SOURCES = (IMAGES, STATE, CONSTANT)
"""What a step may be that runs no operation: the images, or a tensor by its name."""

MAX_STEPS = 100_000
"""Operations that a network may have: a graph of more would take hours to judge."""


@dataclass(frozen=True)
class Ref:
    """The value of an earlier step."""

    step: int


@dataclass(frozen=True)
class Batch:
    """A whole number that depends on the number of images: `scale` * images + `offset`."""

    scale: int
    offset: int

    def at(self, num_images: int) -> int:
        return self.scale * num_images + self.offset


@dataclass(frozen=True)
class Step:
    """One operation, or a source. `module` is the path of the module that ran it, `source` the line
    of its code ("nets.py:31"); either is "" where it is not known."""

    operation: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    module: str = ""
    source: str = ""


@dataclass(frozen=True, eq=False)
class Program:
    """The steps of one forward, in the order they run; the last one's first operand is the logits.

    `fixed` is the only number of images that it takes, None where it takes any.
    """

    steps: tuple[Step, ...]
    output: int
    fixed: int | None = None

    def to_graph(self, num_images: int) -> fx.Graph:
        """The program as a graph of operations for that many images; raises `NetworkError`."""
        if self.fixed not in (None, num_images):
            raise NetworkError(f"forward takes {self.fixed} images at a time, no other number")
        graph = fx.Graph()
        nodes: list[fx.Node] = []

        def read(value: Any) -> Any:
            if isinstance(value, Ref):
                return nodes[value.step]
            if isinstance(value, Batch):
                return value.at(num_images)
            if isinstance(value, list):
                return [read(part) for part in value]
            return value

        for step in self.steps:
            if step.operation in (IMAGES, STATE):
                node = graph.placeholder(f"input_{len(nodes)}")
                node.meta["tensor"] = step.args[0] if step.operation == STATE else ""
            elif step.operation == CONSTANT:
                node = graph.create_node("get_attr", str(step.args[0]))
            else:
                args = tuple(read(argument) for argument in step.args)
                kwargs = {name: read(value) for name, value in step.kwargs.items()}
                node = graph.call_function(find_operation(step.operation), args, kwargs)
            node.meta["module"] = step.module
            node.meta["source"] = step.source
            nodes.append(node)
        graph.output([nodes[self.output]])
        return graph

    @cached_property
    def _last_uses(self) -> list[list[int]]:
        """The steps whose values no later step than this one needs, for each step."""
        last = list(range(len(self.steps)))
        for number, step in enumerate(self.steps):
            for used in references((step.args, step.kwargs)):
                last[used] = number
        last[self.output] = len(self.steps)
        freed: list[list[int]] = [[] for _ in range(len(self.steps) + 1)]
        for number, user in enumerate(last):
            freed[user].append(number)
        return freed

    def run(
        self,
        images: torch.Tensor,
        state: Mapping[str, torch.Tensor],
        constants: Mapping[str, torch.Tensor],
    ) -> torch.Tensor:
        """The logits (N, classes) of `images` (N, C, H, W); raises `NetworkError`.

        Values are let go of after their last use. Operations may write to `state`.
        """
        calls = self._calls_for(len(images))
        values: list[Any] = [None] * len(self.steps)
        for number, (step, call) in enumerate(zip(self.steps, calls, strict=True)):
            if call is None:
                values[number] = _take(step, images, state, constants)
            else:
                values[number] = call.run(values)
            for used in self._last_uses[number]:
                values[used] = None
        logits: torch.Tensor = values[self.output]
        return logits

    def _calls_for(self, num_images: int) -> list["_Call | None"]:
        """What each step calls with that many images; None where it gives an operand."""
        if self.fixed not in (None, num_images):
            raise NetworkError(f"forward takes {self.fixed} images at a time, no other number")
        if num_images not in self._calls:
            self._calls[num_images] = [
                None if step.operation in SOURCES else _Call.of(step, num_images)
                for step in self.steps
            ]
        return self._calls[num_images]

    @cached_property
    def _calls(self) -> dict[int, list["_Call | None"]]:
        return {}


@dataclass(frozen=True)
class _Call:
    """An operation with its arguments; `places` are those that are values, and the steps of these.

    `is_nested` tells whether a list, or an argument by name, holds a value as well.
    """

    operation: Any
    args: list[Any]
    kwargs: dict[str, Any]
    places: list[tuple[int, int]]
    is_nested: bool

    @classmethod
    def of(cls, step: Step, num_images: int) -> "_Call":
        args = _with_batch(list(step.args), num_images)
        kwargs = _with_batch(dict(step.kwargs), num_images)
        places = [(place, arg.step) for place, arg in enumerate(args) if isinstance(arg, Ref)]
        is_nested = len(list(references((args, kwargs)))) > len(places)
        return cls(find_operation(step.operation), args, kwargs, places, is_nested)

    def run(self, values: Sequence[Any]) -> Any:
        """Its value, where `values` are those of the steps before it."""
        if self.is_nested:
            return self.operation(*fill(self.args, values), **fill(self.kwargs, values))
        args = self.args.copy()
        for place, step in self.places:
            args[place] = values[step]
        return self.operation(*args, **self.kwargs)


def _take(
    step: Step,
    images: torch.Tensor,
    state: Mapping[str, torch.Tensor],
    constants: Mapping[str, torch.Tensor],
) -> torch.Tensor:
    if step.operation == IMAGES:
        return images
    return (state if step.operation == STATE else constants)[step.args[0]]


def _with_batch(value: Any, num_images: int) -> Any:
    if isinstance(value, Batch):
        return value.at(num_images)
    if isinstance(value, list):
        return [_with_batch(part, num_images) for part in value]
    if isinstance(value, dict):
        return {name: _with_batch(part, num_images) for name, part in value.items()}
    return value


def fill(value: Any, values: Sequence[Any] | Mapping[int, Any]) -> Any:
    """An argument, or a list or dictionary of them, with what `values` has for each `Ref`."""
    if isinstance(value, Ref):
        return values[value.step]
    if isinstance(value, list):
        return [fill(part, values) for part in value]
    if isinstance(value, dict):
        return {name: fill(part, values) for name, part in value.items()}
    return value


def references(value: Any) -> Iterator[int]:
    """The steps that an argument, or a list or mapping of them, refers to."""
    if isinstance(value, Ref):
        yield value.step
    elif isinstance(value, Mapping):
        yield from references(list(value.values()))
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from references(part)


def holds_batch(value: Any) -> bool:
    """Whether an argument, or a list or mapping of them, depends on the number of images."""
    if isinstance(value, Mapping):
        return holds_batch(list(value.values()))
    if isinstance(value, (tuple, list)):
        return any(map(holds_batch, value))
    return isinstance(value, Batch)


# --- as JSON --------------------------------------------------------------------------------------

DTYPES = {
    name: getattr(torch, name)
    for name in (
        *("bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"),
        *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    )
}
NAMED: dict[str, dict[str, Any]] = {
    "dtype": DTYPES,
    "memory_format": {
        name: getattr(torch, name)
        for name in ("contiguous_format", "preserve_format", "channels_last", "channels_last_3d")
    },
    "layout": {"strided": torch.strided},
    "device": {"cpu": torch.device("cpu")},
}
"""Values of torch's that have names, by their kind."""


def to_json(program: Program) -> dict[str, Any]:
    """The program as plain JSON; raises `NetworkError` for a value that has no such form."""
    steps = []
    for step in program.steps:
        kwargs = {name: _encode(value) for name, value in step.kwargs.items()}
        args = [_encode(argument) for argument in step.args]
        steps.append([step.operation, args, kwargs, step.module, step.source])
    return {"steps": steps, "output": program.output, "fixed": program.fixed}


def _encode(value: Any) -> Any:
    if value is None or type(value) in (bool, int, str):
        return value
    if type(value) is float:
        return value if math.isfinite(value) else {"float": str(value)}
    if type(value) is complex:
        return {"complex": [_encode(value.real), _encode(value.imag)]}
    if isinstance(value, Ref):
        return {"step": value.step}
    if isinstance(value, Batch):
        return {"batch": [value.scale, value.offset]}
    if isinstance(value, (list, tuple)):
        return [_encode(part) for part in value]
    for kind, names in NAMED.items():
        for name, named in names.items():
            if type(value) is type(named) and value == named:
                return {kind: name}
    raise NetworkError(f"forward gives an operation {value!r}, which a graph cannot hold")


def from_json(data: Any) -> Program:
    """The program that `to_json` wrote; raises `NetworkError` for anything else."""
    try:
        steps = data["steps"]
        output, fixed = data["output"], data["fixed"]
        if not 0 < len(steps) <= MAX_STEPS:
            raise NetworkError(f"a graph has 1 to {MAX_STEPS:,} operations, not {len(steps):,}")
        read = tuple(_read_step(number, step) for number, step in enumerate(steps))
        if type(output) is not int or not 0 <= output < len(read):
            raise NetworkError(f"a graph gives one of its steps, not {output!r}")
        if not (fixed is None or (type(fixed) is int and fixed > 0)):
            raise NetworkError(f"a graph takes a number of images, not {fixed!r}")
    except (TypeError, KeyError, ValueError, RecursionError) as error:
        raise NetworkError(f"the graph is not of its form: {error}") from error
    return Program(read, output, fixed)


def _read_step(number: int, step: Any) -> Step:
    operation, args, kwargs, module, source = step
    if not (type(module) is str and type(source) is str and type(kwargs) is dict):
        raise NetworkError(f"step {number} of the graph is not of its form")
    if operation in SOURCES:
        named = [] if operation == IMAGES else [str]
        if [type(argument) for argument in args] != named or kwargs:
            raise NetworkError(f"step {number} of the graph is not of its form")
        return Step(operation, tuple(args), {}, module, source)
    find_operation(operation)
    return Step(
        operation,
        tuple(_decode(argument, number) for argument in args),
        {name: _decode(value, number) for name, value in kwargs.items()},
        module,
        source,
    )


def _decode(value: Any, number: int) -> Any:
    """A value as step `number` takes it: it refers to earlier steps only."""
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [_decode(part, number) for part in value]
    ((kind, content),) = value.items()
    if kind == "step" and type(content) is int and 0 <= content < number:
        return Ref(content)
    if kind == "batch":
        scale, offset = content
        if type(scale) is int and type(offset) is int:
            return Batch(scale, offset)
    if kind == "float" and content in ("inf", "-inf", "nan"):
        return float(content)
    if kind == "complex":
        real, imaginary = (_decode(part, number) for part in content)
        return complex(real, imaginary)
    if kind in NAMED:
        return NAMED[kind][content]
    raise NetworkError(f"step {number} of the graph holds {value!r}")
