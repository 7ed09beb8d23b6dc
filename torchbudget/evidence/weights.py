"""Weights files, and the network with its weights: an entry's own, or its members'."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import nn

from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.errors import NetworkError, WeightsError
from torchbudget.evidence.files import file_digest, write_atomically
from torchbudget.evidence.results import run_stem
from torchbudget.evidence.stored import pack_tensors, unpack_tensors
from torchbudget.network.captured import Network
from torchbudget.network.ensemble import EnsembleNetwork
from torchbudget.network.soundness import lay_out
from torchbudget.reading import reading


def round_weights(network: nn.Module, stored: str) -> nn.Module:
    """`network` with the numbers that a file of the precision `stored` will hold.

    Raises `WeightsError` where one overflows it, and where training has diverged: a number is not
    finite before it is rounded.
    """
    for name, tensor in network.state_dict().items():
        if not tensor.isfinite().all():
            raise WeightsError(
                f"{name} holds infinite or NaN numbers: training diverged; train again with a "
                "lower learning rate, or clip the gradients"
            )
    rounded = network.float()
    tensors = rounded.state_dict()
    rounded.load_state_dict(unpack_tensors(pack_tensors(tensors, stored), tensors))
    for name, tensor in rounded.state_dict().items():
        if not tensor.isfinite().all():
            raise WeightsError(
                f'{name} holds numbers that {stored} cannot; declare stored="float32"'
            )
    return rounded


def to_safetensors(network: nn.Module, stored: str = "float32") -> bytes:
    """The network's `state_dict` as a safetensors file.

    They are in the form `stored`. A tensor under two names is written twice.
    """
    return save(pack_tensors(network.state_dict(), stored))


def save_weights(path: Path, network: nn.Module, stored: str = "float32") -> str:
    """Write the network's weights as `to_safetensors` gives them; returns the file's SHA-256."""
    write_atomically(path, to_safetensors(network, stored))
    return file_digest(path)


def load_weights(path: Path, network: nn.Module) -> nn.Module:
    """`network` with the weights at `path`, every key and shape matched, every number finite.

    Raises `WeightsError`.
    """
    state = read_tensors(path)
    try:
        network.load_state_dict(unpack_tensors(state, network.state_dict()))
    except (RuntimeError, WeightsError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{path} does not fit the network: {reason}") from error
    return network


def load_state(path: Path, network: Network) -> dict[str, torch.Tensor]:
    """The state of a captured network with the weights at `path`, every name and shape matched.

    Raises `WeightsError`.
    """
    tensors = read_tensors(path)
    try:
        return network.with_weights(unpack_tensors(tensors, network.state_dict))
    except (NetworkError, WeightsError) as error:
        raise WeightsError(f"{path} does not fit the network: {error}") from error


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a weights file by name, every number finite; raises `WeightsError`."""
    if not path.is_file():
        raise WeightsError(f"{path} is missing; restore it, or train and record the run again")
    with reading(path, WeightsError, "is corrupt", "restore it from git or train again"):
        tensors: dict[str, torch.Tensor] = load(path.read_bytes())
        check_numbers(path, tensors)
    return tensors


def check_numbers(path: Path, state: Mapping[str, torch.Tensor]) -> None:
    """Raises `WeightsError` for a tensor that is complex, or holds NaN or infinity."""
    for name, tensor in state.items():
        if tensor.is_complex():
            raise WeightsError(f"{path}: {name} holds complex numbers, which no weights are")
        if tensor.is_floating_point() and not tensor.to(torch.float64).isfinite().all():
            raise WeightsError(
                f"{path}: {name} holds numbers that are not finite; "
                "restore it from git or train again"
            )


def weights_paths(
    entry: Entry,
    seed: int,
    folder: Path,
    dataset: str | None = None,
    overrides: list[str] | None = None,
) -> list[Path]:
    """The files that a run's network is made of, in the order of its members.

    `dataset` is given where it is not the entry's own.
    """
    runs = entry.member_runs if isinstance(entry, Ensemble) else ((entry, seed),)
    stems = [
        run_stem(part.name, number, dataset or part.dataset, overrides or [])
        for part, number in runs
    ]
    return [folder / f"{stem}.safetensors" for stem in stems]


def weights_digest(paths: list[Path]) -> str:
    """SHA-256 of a file's bytes; for several files, of their digests one after the other."""
    digests = [file_digest(path) for path in paths]
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def load_shipped(entry: Entry, seed: int, folder: Path, dataset: str | None = None) -> nn.Module:
    """The network of `seed` with its weights, in eval mode; raises `WeightsError`."""
    network = entry.network()
    parts = network.members if isinstance(network, EnsembleNetwork) else [network]
    for part, path in zip(parts, weights_paths(entry, seed, folder, dataset), strict=True):
        load_weights(path, part)
    if entry.data.image is not None:
        lay_out(network, entry.data.image)
    return network.eval()
