"""Where a run's weights are, and the network with them: an entry's own file, or its members' where it is an ensemble."""

import hashlib
from pathlib import Path

import torch
from torch import nn

from utils.checkpoint import file_digest, load_weights
from utils.ensemble import Jury
from utils.entry import Entry
from utils.evidence import run_stem


def weights_paths(entry: Entry, seed: int, folder: Path, dataset: str | None = None, overrides: list[str] | None = None) -> list[Path]:
    """The files that a run's network is made of, in the order of its members; `dataset` where it is not the entry's own."""
    runs = entry.voters or ((entry, seed),)
    return [folder / f"{run_stem(each.name, number, dataset or each.dataset, overrides or [])}.safetensors" for each, number in runs]


def weights_digest(paths: list[Path]) -> str:
    """SHA-256 of a file's bytes; of the digests of several files, one after the other."""
    digests = [file_digest(path) for path in paths]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def load_shipped(entry: Entry, seed: int, folder: Path, dataset: str | None = None) -> nn.Module:
    """The network of `seed` with its weights, in eval mode; raises `CheckpointError`."""
    network = entry.network()
    parts = network.members if isinstance(network, Jury) else [network]
    for part, path in zip(parts, weights_paths(entry, seed, folder, dataset), strict=True):
        load_weights(path, part)
    return network.to(memory_format=torch.channels_last).eval()
