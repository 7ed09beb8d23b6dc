"""Checkpoints: the last five of a run, each written whole or not at all."""

import io
import zipfile
from pathlib import Path

import torch

from torchbudget.errors import CheckpointError
from torchbudget.evidence.files import write_atomically

KEPT = 5


def save_checkpoint(folder: Path, epochs_done: int, state: dict) -> None:
    """`state` as `folder/epoch-NNN.pt`; older than the newest five are removed."""
    content = io.BytesIO()
    torch.save(state, content)
    write_atomically(
        folder / f"epoch-{epochs_done:03d}.pt", lambda path: path.write_bytes(content.getbuffer())
    )
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
        raise CheckpointError(
            f"{paths[-1]} is corrupt ({type(error).__name__}); delete it to resume from the one before"
        ) from error
