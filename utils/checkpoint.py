"""Files written whole or not at all: checkpoints (the last five of a run) and weights (safetensors)."""

import hashlib
import io
import os
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

KEPT = 5


class CheckpointError(RuntimeError):
    """A checkpoint or weights file that is missing, corrupt or another network's; the message names the file and what to do."""


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """`write` a neighbour of `path`, then put it in its place: a reader sees the old file or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        write(Path(name))
        with open(name, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- checkpoints ------------------------------------------------------------------------------------------------------


def save_checkpoint(folder: Path, epochs_done: int, state: dict) -> None:
    """`state` as `folder/epoch-NNN.pt`; older than the newest five are removed."""
    content = io.BytesIO()
    torch.save(state, content)
    write_atomically(folder / f"epoch-{epochs_done:03d}.pt", lambda path: path.write_bytes(content.getbuffer()))
    for path in list_checkpoints(folder)[:-KEPT]:
        path.unlink()


def list_checkpoints(folder: Path) -> list[Path]:
    """Oldest first."""
    return sorted(folder.glob("epoch-*.pt"), key=lambda path: int(path.stem.removeprefix("epoch-")))


def clear_checkpoints(folder: Path) -> None:
    """Remove an earlier run's checkpoints, so that none of them is taken for this run's newest."""
    for path in list_checkpoints(folder):
        path.unlink()


def load_checkpoint(folder: Path) -> dict:
    """The newest checkpoint in `folder`, on the CPU; raises `CheckpointError`."""
    if not (paths := list_checkpoints(folder)):
        raise CheckpointError(f"{folder} holds no checkpoint; start without --resume")
    try:
        with zipfile.ZipFile(paths[-1]) as archive:
            if damaged := archive.testzip():
                raise CheckpointError(f"{damaged} has another checksum")
        return torch.load(paths[-1], map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(f"{paths[-1]} is corrupt ({type(error).__name__}); delete it to resume from the one before") from error


# --- weights ----------------------------------------------------------------------------------------------------------


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
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    state = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in state.items()}
    write_atomically(path, lambda partial: partial.write_bytes(save(state)))
    return file_digest(path)


def load_weights(path: Path, network: nn.Module) -> nn.Module:
    """`network` with the weights at `path`, every key and shape matched; raises `CheckpointError`."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise CheckpointError(f"{path} is missing; train it: make train ENTRY={path.stem.split('-')[0]}")
    try:
        network.load_state_dict(load_file(path))
    except SafetensorError as error:
        raise CheckpointError(f"{path} is corrupt ({error}); restore it from git or train again") from error
    except RuntimeError as error:
        raise CheckpointError(f"{path} does not fit the network: {' '.join(str(error).split())}") from error
    return network
