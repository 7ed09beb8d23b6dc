"""What would keep a run from being recorded, found before it trains."""

import io
import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch

from torchbudget.errors import StorageError
from torchbudget.evidence.results import lock
from utils.checkpoint import KEPT, list_checkpoints
from utils.runs import RunPaths, Store
from utils.training import Training

WAIT = 5.0
"""Seconds that another run may hold the lock of the record: to add a run takes a tenth of one."""
RECORD_BYTES = 200_000
"""More than a run adds to a results file."""
PICTURES_BYTES = 1_000_000
"""More than the history and the pictures of a run take."""
CHUNK = bytes(2**20)
Need = tuple[Path, int, int]
"""A folder, with the bytes of the largest file that it is to hold and of all of them."""


def check_can_record(training: Training, store: Store, paths: RunPaths, folder: Path) -> None:
    """Raise where the files of the run could not be written, its checkpoints in `folder`.

    `StorageError` names a folder that cannot be written, or that has too little space.
    `ResultsError` names a record whose lock another process holds.
    """
    content = io.BytesIO()
    torch.save(training.state_dict(), content)
    checkpoint = content.tell()
    missing = max(1, KEPT + 1 - len(list_checkpoints(folder)))
    check_store(store, paths, (folder, checkpoint, missing * checkpoint), weights=checkpoint)


def check_store(store: Store, paths: RunPaths, *further: Need, weights: int = 0) -> None:
    """Raise where a run with `weights` bytes could not be added to a store, as `check_space` says.

    `ResultsError` names a record whose lock another process holds.
    """
    record = RECORD_BYTES
    if store.results.is_file():
        record += store.results.stat().st_size
    check_space(
        [
            *further,
            (store.weights, weights, weights),
            (store.results.parent, record, record),
            (paths.output, PICTURES_BYTES, PICTURES_BYTES),
        ]
    )
    store.results.parent.mkdir(parents=True, exist_ok=True)
    with lock(store.results, timeout=WAIT):
        pass


def check_space(needs: Iterable[Need]) -> None:
    """Raise `StorageError` for the first folder that does not take what it is to hold.

    What is not
    there yet is made when it is written to; until then the folder that is to hold it is tried.
    """
    wanted: dict[int, int] = {}
    for folder, largest, total in needs:
        try:
            there = find_existing(folder)
            try_writing(there, largest)
            device = there.stat().st_dev
            wanted[device] = wanted.get(device, 0) + total
            free = shutil.disk_usage(there).free
        except OSError as error:
            raise StorageError(
                f"{folder} cannot be written: {error.strerror}; nothing was trained"
            ) from error
        if free < wanted[device]:
            raise StorageError(
                f"{folder}: {free / 2**20:.1f} MiB are free, the run needs "
                f"{wanted[device] / 2**20:.1f}; free some space: nothing was trained"
            )


def find_existing(folder: Path) -> Path:
    """The folder, or the closest above it that is there."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def try_writing(folder: Path, size: int) -> None:
    """Write `size` bytes to a file in `folder` that is gone afterwards; raises `OSError`."""
    with tempfile.TemporaryFile(dir=folder) as file:
        for begin in range(0, size, len(CHUNK)):
            file.write(CHUNK[: size - begin])
        file.flush()
        os.fsync(file.fileno())
