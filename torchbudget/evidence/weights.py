"""Where a run's weights are, and the network with them: an entry's own file, or its members' where it is an ensemble."""

import hashlib
from pathlib import Path

import torch
from torch import nn

from torchbudget.declare.entry import Entry
from torchbudget.errors import WeightsError
from torchbudget.evidence.files import file_digest, write_atomically
from torchbudget.evidence.results import run_stem
from torchbudget.network.ensemble import EnsembleNetwork


def round_weights(network: nn.Module, stored: str) -> nn.Module:
    """`network` with the numbers that a file of the precision `stored` ("float32", "float16") will hold; raises `ValueError` where one overflows it."""
    rounded = network.to(getattr(torch, stored)).float()
    for name, tensor in rounded.state_dict().items():
        if not tensor.isfinite().all():
            raise ValueError(f'{name} holds numbers that {stored} cannot; declare stored="float32"')
    return rounded


def save_weights(path: Path, network: nn.Module, stored: str = "float32") -> str:
    """The network's `state_dict` as safetensors, floating-point tensors in the precision `stored`; returns the file's SHA-256."""
    from safetensors.torch import save

    dtype = getattr(torch, stored)
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    state = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in state.items()
    }
    write_atomically(path, lambda partial: partial.write_bytes(save(state)))
    return file_digest(path)


def load_weights(path: Path, network: nn.Module) -> nn.Module:
    """`network` with the weights at `path`, every key and shape matched; raises `WeightsError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise WeightsError(
            f"{path} is missing; train it: make train ENTRY={path.stem.split('-')[0]}"
        )
    try:
        network.load_state_dict(load_file(path))
    except SafetensorError as error:
        raise WeightsError(
            f"{path} is corrupt ({error}); restore it from git or train again"
        ) from error
    except RuntimeError as error:
        raise WeightsError(
            f"{path} does not fit the network: {' '.join(str(error).split())}"
        ) from error
    return network


def weights_paths(
    entry: Entry,
    seed: int,
    folder: Path,
    dataset: str | None = None,
    overrides: list[str] | None = None,
) -> list[Path]:
    """The files that a run's network is made of, in the order of its members; `dataset` where it is not the entry's own."""
    runs = entry.voters or ((entry, seed),)
    return [
        folder
        / f"{run_stem(each.name, number, dataset or each.dataset, overrides or [])}.safetensors"
        for each, number in runs
    ]


def weights_digest(paths: list[Path]) -> str:
    """SHA-256 of a file's bytes; of the digests of several files, one after the other."""
    digests = [file_digest(path) for path in paths]
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def load_shipped(entry: Entry, seed: int, folder: Path, dataset: str | None = None) -> nn.Module:
    """The network of `seed` with its weights, in eval mode; raises `WeightsError`."""
    network = entry.network()
    parts = network.members if isinstance(network, EnsembleNetwork) else [network]
    for part, path in zip(parts, weights_paths(entry, seed, folder, dataset), strict=True):
        load_weights(path, part)
    return network.to(memory_format=torch.channels_last).eval()
