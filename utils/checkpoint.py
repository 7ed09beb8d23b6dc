"""Checkpoints: the last five of a run, each written whole or not at all."""

import io
import zipfile
from pathlib import Path

import torch

from torchbudget.errors import CheckpointError
from torchbudget.evidence.files import write_atomically

KEPT = 5
"""Checkpoints of a run that stay."""


def save_checkpoint(folder: Path, epochs_done: int, state: dict[str, object]) -> None:
    """Write `state` to `folder/epoch-NNN.pt`, and remove all but the newest `KEPT`."""
    content = io.BytesIO()
    torch.save(state, content)
    path = folder / f"epoch-{epochs_done:03d}.pt"
    write_atomically(path, lambda partial: partial.write_bytes(content.getbuffer()))
    for old in list_checkpoints(folder)[:-KEPT]:
        old.unlink()


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first."""
    return sorted(folder.glob("epoch-*.pt"), key=lambda path: int(path.stem.removeprefix("epoch-")))


def clear_checkpoints(folder: Path) -> None:
    """Remove an earlier run's checkpoints, so that none of them passes for this run's newest."""
    for path in list_checkpoints(folder):
        path.unlink()


def load_checkpoint(folder: Path) -> dict[str, object]:
    """The newest checkpoint in `folder`, on the CPU. Raises `CheckpointError`."""
    paths = list_checkpoints(folder)
    if not paths:
        raise CheckpointError(f"{folder} holds no checkpoint; start without --resume")
    newest = paths[-1]
    try:
        with zipfile.ZipFile(newest) as archive:
            damaged = archive.testzip()
        if damaged:
            raise CheckpointError(f"the checksum of {damaged} is wrong")
        return torch.load(newest, map_location="cpu", weights_only=True)
    except Exception as error:
        raise CheckpointError(
            f"{newest} is corrupt ({type(error).__name__}); delete it to resume from the one before"
        ) from error
