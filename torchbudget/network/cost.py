"""What a forward costs: multiply-adds, activations alive at once, bytes, pixels a feature sees."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import fx

from torchbudget.network.averages import global_averages
from torchbudget.network.layers import Probe
from torchbudget.network.multiply_adds import MultiplyAddsCounter
from torchbudget.network.nodes import kind_of, reachable, run_node
from torchbudget.network.structure import bypasses
from torchbudget.network.trace import Trace, replay
from torchbudget.network.weighing import Structure


@dataclass(frozen=True)
class Operations:
    """The multiply-adds of a forward of one image, and what no rule counts.

    `by_node` sums to `multiply_adds`; `uncounted` gives the share of the forward's time, from 0 to
    1, of each operation without a rule.
    """

    multiply_adds: int
    by_node: dict[fx.Node, int]
    uncounted: dict[str, float]


def count_operations(structure: Structure) -> Operations:
    """The multiply-adds of each operation, for one image, from an eval trace.

    What does not depend on the images runs once for all of them and counts whole. A product with
    learned numbers that a later operation sums is a matrix product by another name, as is one that
    spreads both operands.
    """
    traced = structure.traced
    path = set(traced.path)
    current: dict[fx.Node, object] = dict(structure.experiment.values)
    scaled = {weighing.scaling for weighing in structure.weighings}
    by_node: dict[fx.Node, int] = {}
    seconds: dict[str, float] = {}
    whole = 0.0
    for node in traced.graph.nodes:
        if node.op != "call_function" or node not in traced.computing:
            continue
        counter = MultiplyAddsCounter()
        with torch.inference_mode(), torch.random.fork_rng(devices=[]):
            began = time.perf_counter()
            with counter:
                value = run_node(node, current)
            taken = time.perf_counter() - began
        products = counter.multiply_adds
        if not products and isinstance(value, torch.Tensor):
            spread = kind_of(node) in {"mul", "multiply"} and _spreads(structure, node, value)
            products = value.numel() if spread or node in scaled else 0
        by_node[node] = products // len(traced.images) if node in path else products
        whole += taken
        for name in counter.uncounted:
            seconds[name] = seconds.get(name, 0.0) + taken
    return Operations(
        multiply_adds=sum(by_node.values()),
        by_node=by_node,
        uncounted={name: taken / max(whole, 1e-9) for name, taken in seconds.items()},
    )


def _spreads(structure: Structure, node: fx.Node, value: torch.Tensor) -> bool:
    """Whether a product has more elements than either of its two operands."""
    operands = [structure.experiment.tensor(operand) for operand in node.all_input_nodes]
    sizes = [operand.numel() for operand in operands if operand is not None]
    return len(sizes) == 2 and value.numel() > max(sizes)


def peak_activation_bytes(traced: Trace) -> int:
    """The most bytes that an image's activations hold at once, each freed after its last use.

    The image itself is included. Views and in-place results share what they view. What an
    operation allocates and frees within itself is not seen.
    """
    state = {name: tensor.clone() for name, tensor in traced.state.items()}
    with torch.no_grad():
        values = replay(traced, state, traced.images.clone(), in_place=True)
    steps = {node: number for number, node in enumerate(traced.graph.nodes)}
    from_images = reachable([traced.input], lambda node: node.users)
    births: dict[int, int] = {}  # by the address of the storage
    deaths: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for node, value in values.items():
        if node in from_images and node.op != "output":
            storage = value.untyped_storage()
            address = storage.data_ptr()
            last = max([steps[node], *(steps[user] for user in node.users)])
            births.setdefault(address, steps[node])
            deaths[address] = max(last, deaths.get(address, 0))
            sizes[address] = storage.nbytes()
    alive = [0] * len(steps)
    for address, size in sizes.items():
        for step in range(births[address], deaths[address] + 1):
            alive[step] += size
    return max(alive) // len(traced.images)


def feature_field(probe: Probe, evaluating: Structure) -> int:
    """The side of the square of pixels that a feature sees before the global average.

    Where nothing averages, it is the square that a logit sees. The probe is of the same trace.
    """
    traced = evaluating.traced
    averages = global_averages(evaluating)

    def step(node: fx.Node) -> Iterable[fx.Node]:
        return () if node in averages else node.users

    before = reachable([traced.input], step) - averages
    cut = bool(averages) and not bypasses(traced, averages)
    fields = [
        field or 0
        for node, field in probe.receptive_fields.items()
        if node in before and node in traced.computing and (not cut or _is_map(node))
    ]
    return max(fields, default=1)


def _is_map(node: fx.Node) -> bool:
    shape = node.meta["shape"]
    return len(shape) == 4 and shape[2] * shape[3] > 1
