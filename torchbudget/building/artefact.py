"""The form in which a captured network lies in a file: JSON for its graph, safetensors for numbers.

Reading it runs no code: no pickle, no names that are looked up but those of allowed operations.
"""

import json
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from torchbudget.data.images import ImageSpec
from torchbudget.errors import DeclarationError, NetworkError
from torchbudget.network.captured import BuiltNetwork, Network
from torchbudget.network.program import CONSTANT, DTYPES, IMAGES, STATE, Program, from_json, to_json

COMPLEX = {"complex64": torch.complex64, "complex128": torch.complex128}


def pack_network(network: Network) -> tuple[bytes, bytes]:
    """The network as (JSON, safetensors); raises `NetworkError` for a tensor that fits neither."""
    parts = {"state": network.state, "constant": network.constants}
    tensors: dict[str, torch.Tensor] = {}
    dtypes: dict[str, str] = {}
    for kind, named in parts.items():
        for name, tensor in named.items():
            key = f"{kind}.{name}"
            tensors[key], dtypes[key] = _to_plain(name, tensor)
    graph = {
        "shape": list(network.image.shape),
        "num_classes": network.image.num_classes,
        "train": to_json(network.train),
        "evaluating": to_json(network.evaluating),
        "names": network.names,
        "state": list(network.state),
        "parameters": sorted(network.parameters),
        "trainable": sorted(network.trainable),
        "dtypes": dtypes,
    }
    return json.dumps(graph).encode(), save(tensors)


def _to_plain(name: str, tensor: torch.Tensor) -> tuple[torch.Tensor, str]:
    """A tensor that safetensors takes, which shares no memory, and the name of its type."""
    dtype = str(tensor.dtype).removeprefix("torch.")
    if tensor.layout != torch.strided or dtype not in DTYPES:
        raise NetworkError(f"{name} is {tensor.layout} of {tensor.dtype}, which no graph can hold")
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    if plain.is_complex():
        plain = torch.view_as_real(plain)
    return plain.clone(memory_format=torch.contiguous_format), dtype


def unpack_network(graph: bytes, tensors: bytes) -> Network:
    """The network that `pack_network` wrote; raises `NetworkError` for anything else."""
    try:
        data: dict[str, Any] = json.loads(graph)
        loaded = load(tensors)
        dtypes = data["dtypes"]
        named: dict[str, dict[str, torch.Tensor]] = {"state": {}, "constant": {}}
        for key, tensor in loaded.items():
            kind, _, name = key.partition(".")
            named[kind][name] = _from_plain(tensor, dtypes[key])
        state = {name: named["state"][name] for name in data["state"]}
        network = Network(
            image=ImageSpec(tuple(data["shape"]), data["num_classes"]),
            train=from_json(data["train"]),
            evaluating=from_json(data["evaluating"]),
            state=state,
            constants=named["constant"],
            names=_check_names(data["names"], state),
            parameters=frozenset(data["parameters"]),
            trainable=frozenset(data["trainable"]),
        )
    except (
        *(SafetensorError, DeclarationError, RecursionError, RuntimeError),
        *(TypeError, KeyError, ValueError, AttributeError),
    ) as error:
        raise NetworkError(f"the captured network is not of its form: {error}") from error
    for program in (network.train, network.evaluating):
        _check_sources(program, network)
    if not network.trainable | network.parameters <= set(state):
        raise NetworkError("the captured network names parameters that it does not hold")
    return network


def read_network(head: dict[str, Any], graph: bytes, tensors: bytes) -> BuiltNetwork:
    """What the builder tells of a network in `head`, and the network where it captured one."""
    late = tuple(map(str, head.get("late", ())))
    if "error" in head:
        remedy, runs = str(head["remedy"]), head["runs"] is True
        return BuiltNetwork(None, str(head["error"]), remedy, runs, late)
    try:
        return BuiltNetwork(unpack_network(graph, tensors), late=late)
    except NetworkError as error:
        return BuiltNetwork(None, str(error), "build it again", late=late)


def _from_plain(tensor: torch.Tensor, dtype: str) -> torch.Tensor:
    tensor = torch.view_as_complex(tensor) if dtype in COMPLEX else tensor
    if tensor.dtype != DTYPES[dtype]:
        raise NetworkError(f"a tensor of {dtype} is stored as {tensor.dtype}")
    return tensor


def _check_names(names: dict[str, str], state: dict[str, torch.Tensor]) -> dict[str, str]:
    if not set(names.values()) <= set(state):
        raise NetworkError("the captured network names tensors that it does not hold")
    return names


def _check_sources(program: Program, network: Network) -> None:
    """A program takes each tensor of the state once, in its order, then the images."""
    sources = []
    for step in program.steps:
        if step.operation in (STATE, IMAGES):
            sources.append(step.args[0] if step.args else "")
    head = [step.operation for step in program.steps[: len(sources)]]
    unnamed = "" in network.state  # it would be taken for the images
    if unnamed or sources != [*network.state, ""] or CONSTANT in head or head[-1] != IMAGES:
        raise NetworkError("the graph does not begin with the network's tensors and the images")
    for step in program.steps:
        if step.operation == CONSTANT and step.args[0] not in network.constants:
            raise NetworkError(f"the graph uses {step.args[0]!r}, which is not there")
