"""Numbers that a network holds outside its parameters, where nobody counts: buffers, constants, scalars in the code, late tensors."""

import copy
import hashlib

import torch
from torch import fx, nn

from torchbudget.network.compiled import run_eagerly
from torchbudget.network.structure import BATCH_NORMS
from torchbudget.network.trace import INPUT_SHAPE, Trace, kind_of

NORMS = BATCH_NORMS | {"instance_norm"}
FREE_SCALARS = 32
"""Python numbers that an expression may hold, such as the 2 of `2 * x`; with more of them, all count."""


def count_numbers(tensor: torch.Tensor) -> int:
    """Real numbers that a tensor holds."""
    return tensor.numel() * (2 if tensor.is_complex() else 1)


def count_hidden(network: nn.Module, *traces: Trace) -> int:
    """Numbers held outside the parameters, each once."""
    return sum(hidden_numbers(network, *traces).values())


def hidden_numbers(network: nn.Module, *traces: Trace) -> dict[str, int]:
    """Numbers held outside the parameters, by the place that holds them."""
    statistics = statistics_buffers(network, *traces)
    hidden = {
        f"buffer {name}": count_numbers(buffer)
        for name, buffer in nn.Module.named_buffers(network)
        if name not in statistics
    }
    hidden |= {f"extra state {name}": count for name, count in _extra_state(network).items()}
    constants = {_digest(tensor): tensor for each in traces for tensor in each.constants.values()}
    hidden |= {
        f"constant {list(tensor.shape)} ({digest[:6]})": count_numbers(tensor)
        for digest, tensor in constants.items()
    }
    scalars = max(len(scalars_of(each)) for each in traces)
    return hidden | ({"numbers in the code": scalars} if scalars > FREE_SCALARS else {})


def statistics_buffers(network: nn.Module, *traces: Trace) -> set[str]:
    """Names of the buffers that only norms use, as running statistics that training moves, and of those of norms that nothing uses."""
    registered = {
        f"{place}.{name}".lstrip(".")
        for place, module in network.named_modules()
        if isinstance(module, nn.modules.batchnorm._NormBase)
        for name in ("running_mean", "running_var", "num_batches_tracked")
    }
    uses = [
        (each, placeholder, name)
        for each in traces
        for placeholder, name in each.names.items()
        if name and placeholder in each.computing
    ]
    misused = {
        name
        for each, placeholder, name in uses
        if not all(
            _is_running(placeholder, user) for user in placeholder.users if user in each.computing
        )
    }
    moved = {
        name for _, placeholder, name in uses if any(_moves(user) for user in placeholder.users)
    }
    used = {name for _, _, name in uses}
    return {
        name
        for name, _ in nn.Module.named_buffers(network)
        if name not in misused and (name in moved or (name in registered and name not in used))
    }


def _arguments(node: fx.Node) -> dict[str, object]:
    names = [argument.name for argument in node.target._schema.arguments]
    return dict(zip(names, node.args, strict=False)) | dict(node.kwargs)


def _is_running(placeholder: fx.Node, user: fx.Node) -> bool:
    """Whether `user` is a norm that takes `placeholder` as running statistics and as nothing else."""
    if kind_of(user) not in NORMS:
        return False
    return {name for name, value in _arguments(user).items() if value is placeholder} <= {
        "running_mean",
        "running_var",
    }


def _moves(norm: fx.Node) -> bool:
    """Whether a norm updates its running statistics by those of the batch."""
    arguments = _arguments(norm) if kind_of(norm) in NORMS else {}
    return bool(arguments.get("training", arguments.get("use_input_stats", False))) and bool(
        arguments.get("momentum", 0.0)
    )


def _extra_state(network: nn.Module) -> dict[str, int]:
    """Tensors of the `state_dict` that are neither parameters nor buffers."""
    named = {
        name
        for name, _ in [
            *network.named_parameters(remove_duplicate=False),
            *network.named_buffers(remove_duplicate=False),
        ]
    }
    state = {name: value for name, value in network.state_dict().items() if name not in named}
    return {
        name: count_numbers(value) if isinstance(value, torch.Tensor) else len(repr(value))
        for name, value in state.items()
    }


def _digest(tensor: torch.Tensor) -> str:
    return hashlib.sha256(
        f"{tensor.dtype}{list(tensor.shape)}".encode()
        + tensor.detach().cpu().flatten().contiguous().view(torch.uint8).numpy().tobytes()
    ).hexdigest()


def scalars_of(traced: Trace) -> list[float]:
    """Distinct Python numbers among the operands of the computation, where a tensor could stand."""
    found = set()
    for node in traced.computing:
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            values = _arguments(node)
            for argument in node.target._schema.arguments:
                if str(argument.type) in {
                    "Tensor",
                    "number",
                    "Optional[Tensor]",
                    "Optional[number]",
                } and isinstance(values.get(argument.name), (int, float)):
                    found.add(float(values[argument.name]))
    return sorted(found)


# --- tensors that come late -----------------------------------------------------------------------


def late_tensors(network: nn.Module) -> list[str]:
    """What a forward in train or in eval mode adds to, or reshapes among, the named tensors that the network had when it was built."""
    late, network = [], copy.deepcopy(network)
    built = _shapes(network)
    for training, mode in ((True, "train"), (False, "eval")):
        with torch.no_grad(), run_eagerly(), torch.random.fork_rng(devices=[]):
            network.train(training)
            network(torch.zeros(INPUT_SHAPE))
        late += [
            f"{name} {found} in {mode} mode, {built.get(name, 'absent')} when built"
            for name, found in _shapes(network).items()
            if found != built.get(name)
        ]
        late += [
            f"{name} is gone in {mode} mode" for name in built.keys() - _shapes(network).keys()
        ]
    return list(dict.fromkeys(late))


def _shapes(network: nn.Module) -> dict[str, str]:
    tensors = [
        *network.named_parameters(remove_duplicate=False),
        *network.named_buffers(remove_duplicate=False),
    ]
    return {
        name: "unshaped" if nn.parameter.is_lazy(tensor) else str(list(tensor.shape))
        for name, tensor in tensors
    }
