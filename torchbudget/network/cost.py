"""What a forward costs: activations alive at once, bytes of weights, and how much of the image a feature sees."""

import torch
from torch import fx, nn

from torchbudget.network.layers import SIDE, receptive_field
from torchbudget.network.structure import bypasses, global_averages
from torchbudget.network.trace import Recorder, Trace, closure


def peak_activation_bytes(traced: Trace) -> int:
    """The most bytes that an image's activations hold at once, the image itself included, each freed after its last use.

    Views and in-place results share what they view. What an operation uses within itself is not seen.
    """
    storages = _Storages(traced)
    storages.record()
    step = {node: number for number, node in enumerate(traced.graph.nodes)}
    from_images = closure([traced.input], lambda node: node.users)
    lives: dict[int, tuple[int, int, int]] = {}  # storage: (first step, last step, bytes)
    for node, (storage, size) in storages.held.items():
        if node in from_images:
            first = lives.get(storage, (step[node], 0, size))[0]
            last = max([step[node], *(step[user] for user in node.users)])
            lives[storage] = (first, max(last, lives.get(storage, (0, 0, 0))[1]), size)
    alive = [
        sum(size for first, last, size in lives.values() if first <= now <= last)
        for now in step.values()
    ]
    return max(alive) // len(traced.images)


class _Storages(Recorder):
    """Runs a trace as it ran, in-place operations in place, and notes which memory each value lies in."""

    def __init__(self, traced: Trace) -> None:
        super().__init__(traced)
        self.held: dict[fx.Node, tuple[int, int]] = {}

    def run_node(self, node: fx.Node) -> object:
        value = fx.Interpreter.run_node(self, node)
        if isinstance(value, torch.Tensor):
            storage = value.untyped_storage()
            self.held[node] = (storage.data_ptr(), storage.nbytes())
        return value


def weight_bytes(network: nn.Module) -> int:
    """Bytes of all tensors of the `state_dict`, tied ones once."""
    tensors = {
        tensor.data_ptr(): tensor.numel() * tensor.element_size()
        for tensor in network.state_dict().values()
        if tensor.numel()
    }
    return sum(tensors.values())


def feature_field(probed: Trace, values: dict[fx.Node, torch.Tensor]) -> int:
    """The side of the square of pixels that a feature sees before the global average; where nothing averages, that a logit sees.

    `values` are those of `probed`, a trace in eval mode, on `probe_images`.
    """
    averages = global_averages(probed)
    before = closure([probed.input], lambda node: () if node in averages else node.users) - averages
    cut = averages and not bypasses(probed, averages)
    fields = [
        receptive_field(value) or 0
        for node, value in values.items()
        if node in before and node in probed.computing and (not cut or _is_map(value))
    ]
    return min(SIDE, max(fields, default=0))


def _is_map(value: torch.Tensor) -> bool:
    return value.ndim == 4 and value.shape[2:].numel() > 1
