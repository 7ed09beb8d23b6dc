"""Checkpoints: the last five of a run, each written whole or not at all."""

import io
import re
import zipfile
from contextlib import AbstractContextManager
from pathlib import Path

import torch

from torchbudget.errors import CheckpointError
from torchbudget.evidence.files import write_atomically
from torchbudget.reading import reading

KEPT = 5
"""Checkpoints of a run that stay."""
NAME = re.compile(r"epoch-[0-9]{3,9}\.pt")


def save_checkpoint(folder: Path, epochs_done: int, state: dict[str, object]) -> None:
    """Write `state` to `folder/epoch-NNN.pt`, and remove all but the newest `KEPT`."""
    content = io.BytesIO()
    torch.save(state, content)
    path = folder / f"epoch-{epochs_done:03d}.pt"
    write_atomically(path, lambda partial: partial.write_bytes(content.getbuffer()))
    for old in list_checkpoints(folder)[:-KEPT]:
        old.unlink()


def list_checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, oldest first; other files of its owner's are left alone."""
    paths = [path for path in folder.glob("epoch-*.pt") if NAME.fullmatch(path.name)]
    return sorted(paths, key=lambda path: int(path.stem.removeprefix("epoch-")))


def list_strays(folder: Path) -> list[Path]:
    """Files in `folder` that might be taken for checkpoints but are none, by their names."""
    return sorted(path for path in folder.glob("*.pt") if not NAME.fullmatch(path.name))


def clear_checkpoints(folder: Path) -> None:
    """Remove an earlier run's checkpoints, so that none of them passes for this run's newest."""
    for path in list_checkpoints(folder):
        path.unlink()


def load_checkpoint(folder: Path) -> dict[str, object]:
    """The newest checkpoint in `folder`, on the CPU; no code in it is run.

    Raises `CheckpointError`.
    """
    paths = list_checkpoints(folder)
    if not paths:
        raise CheckpointError(f"{folder} holds no checkpoint; start without --resume")
    newest = paths[-1]
    with reading_checkpoint(newest):
        with zipfile.ZipFile(newest) as archive:
            damaged = archive.testzip()
        if damaged:
            raise ValueError(f"the checksum of {damaged} is wrong")
        state = torch.load(newest, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ValueError(f"it holds a {type(state).__name__}")
        return state


def reading_checkpoint(path: Path) -> AbstractContextManager[None]:
    """The boundary inside which the content of a checkpoint is read; see `reading`."""
    advice = "delete it to resume from the one before"
    return reading(path, CheckpointError, "is corrupt", advice)
