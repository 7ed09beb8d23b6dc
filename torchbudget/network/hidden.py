"""Numbers that a network holds outside its parameters, where nobody counts.

They are in buffers, constants, numbers in the code, and tensors that come late.
"""

import copy
import hashlib

import torch
from torch import fx, nn

from torchbudget.data.images import ImageSpec
from torchbudget.network.captured import Network
from torchbudget.network.private_torch import (
    Operation,
    run_eagerly,
    tensor_or_number_arguments,
)
from torchbudget.network.structure import BATCH_NORMS, arguments_of
from torchbudget.network.trace import Trace, kind_of

NORMS = BATCH_NORMS | {"instance_norm"}
FREE_SCALARS = 32
"""Python numbers that the code may hold, such as the 2 of `2 * x`; with more of them, all count."""


def count_numbers(tensor: torch.Tensor) -> int:
    """Real numbers that a tensor holds."""
    return tensor.numel() * (2 if tensor.is_complex() else 1)


def hidden_numbers(network: Network, *traces: Trace) -> dict[str, int]:
    """How many numbers are held outside the parameters, by what holds them."""
    statistics = statistics_buffers(*traces)
    used = {name for traced in traces for name in traced.used}
    hidden: dict[str, int] = {}
    for name, tensor in network.state.items():
        if name in used and name not in network.parameters and name not in statistics:
            hidden[f"buffer {name}"] = count_numbers(tensor)
    for name, count in network.extra.items():
        hidden[f"extra state {name}"] = count
    for traced in traces:
        for tensor in traced.constants.values():
            name = f"constant {list(tensor.shape)} ({_digest(tensor)[:6]})"
            hidden[name] = count_numbers(tensor)
    scalars = max(len(scalars_of(traced)) for traced in traces)
    if scalars > FREE_SCALARS:
        hidden["numbers in the code"] = scalars
    return hidden


def statistics_buffers(*traces: Trace) -> set[str]:
    """Names of the tensors that only norms read, as running statistics, and that train updates."""
    misused: set[str] = set()
    updated: set[str] = set()
    for traced in traces:
        for placeholder, name in traced.names.items():
            if not name or placeholder not in traced.computing:
                continue
            users = [user for user in placeholder.users if user in traced.computing]
            if not all(_reads_as_statistics(user, placeholder) for user in users):
                misused.add(name)
            if any(_updates_statistics(user) for user in placeholder.users):
                updated.add(name)
    return updated - misused


def _reads_as_statistics(user: fx.Node, placeholder: fx.Node) -> bool:
    """Whether `user` is a norm that reads `placeholder` as running statistics only."""
    if kind_of(user) not in NORMS:
        return False
    roles = {name for name, value in arguments_of(user).items() if value is placeholder}
    return roles <= {"running_mean", "running_var"}


def _updates_statistics(norm: fx.Node) -> bool:
    """Whether a norm updates its running statistics by those of the batch."""
    if kind_of(norm) not in NORMS:
        return False
    arguments = arguments_of(norm)
    by_batch = arguments.get("training", arguments.get("use_input_stats", False))
    return bool(by_batch) and bool(arguments.get("momentum", 0.0))


def _digest(tensor: torch.Tensor) -> str:
    numbers = tensor.detach().cpu().flatten().contiguous().view(torch.uint8)
    form = f"{tensor.dtype}{list(tensor.shape)}"
    return hashlib.sha256(form.encode() + numbers.numpy().tobytes()).hexdigest()


def scalars_of(traced: Trace) -> list[float]:
    """Distinct Python numbers that the computation uses where a tensor could stand."""
    scalars: set[float] = set()
    for node in traced.computing:
        if isinstance(node.target, Operation):
            arguments = arguments_of(node)
            for name in tensor_or_number_arguments(node.target):
                value = arguments.get(name)
                if isinstance(value, (int, float)):
                    scalars.add(float(value))
    return sorted(scalars)


# --- tensors that come late -----------------------------------------------------------------------


def late_tensors(network: nn.Module, image: ImageSpec) -> list[str]:
    """What a forward in train or in eval mode adds, reshapes or removes among the named tensors."""
    late: list[str] = []
    network = copy.deepcopy(network)
    built = _shapes(network)
    for training, mode in ((True, "train"), (False, "eval")):
        with torch.no_grad(), run_eagerly(), torch.random.fork_rng(devices=[]):
            network.train(training)
            network(torch.zeros(2, *image.shape))
        shapes = _shapes(network)
        for name, shape in shapes.items():
            if shape != built.get(name):
                was = built.get(name, "absent")
                late.append(f"{name} {shape} in {mode} mode, {was} when built")
        late += [f"{name} is gone in {mode} mode" for name in built if name not in shapes]
    return list(dict.fromkeys(late))


def _named_tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    parameters = dict(network.named_parameters(remove_duplicate=False))
    return {**parameters, **dict(network.named_buffers(remove_duplicate=False))}


def _shapes(network: nn.Module) -> dict[str, str]:
    return {
        name: "unshaped" if nn.parameter.is_lazy(tensor) else str(list(tensor.shape))
        for name, tensor in _named_tensors(network).items()
    }
