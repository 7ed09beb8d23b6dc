"""What a forward costs: activations alive at once, bytes of weights, pixels that a feature sees."""

from collections.abc import Iterable

import torch
from torch import fx

from torchbudget.network.captured import Network
from torchbudget.network.layers import Probe
from torchbudget.network.structure import bypasses, global_averages
from torchbudget.network.trace import Trace, kind_of, reachable, replay


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


def weight_bytes(network: Network) -> int:
    """Bytes of all tensors of the `state_dict`, tied ones once."""
    kept = [network.state[name] for name in dict.fromkeys(network.names.values())]
    return sum(tensor.numel() * tensor.element_size() for tensor in kept)


def feature_field(probe: Probe, eval_trace: Trace) -> int:
    """The side of the square of pixels that a feature sees before the global average.

    Where nothing averages, it is the square that a logit sees. `eval_trace` is a trace of the
    same network.
    """
    probed = probe.trace
    averages = _find_averages(probed, eval_trace)

    def step(node: fx.Node) -> Iterable[fx.Node]:
        return () if node in averages else node.users

    before = reachable([probed.input], step) - averages
    cut = bool(averages) and not bypasses(probed, averages)
    fields = [
        field or 0
        for node, field in probe.receptive_fields.items()
        if node in before and node in probed.computing and (not cut or _is_map(probe.shapes[node]))
    ]
    return max(fields, default=1)


def _find_averages(probed: Trace, eval_trace: Trace) -> set[fx.Node]:
    """The global averages of `probed`, found on the smaller batch where both run the same way."""
    nodes = list(probed.graph.nodes)
    smaller = list(eval_trace.graph.nodes)
    if [kind_of(node) for node in nodes] != [kind_of(node) for node in smaller]:
        return global_averages(probed)
    averages = global_averages(eval_trace)
    return {node for node, same in zip(nodes, smaller, strict=True) if same in averages}


def _is_map(shape: tuple[int, ...]) -> bool:
    return len(shape) == 4 and shape[2] * shape[3] > 1
