"""What weights were trained on, and which images they have therefore never seen."""

from pathlib import Path

import torch

from torchbudget.data.images import Images
from torchbudget.data.loading import load_dataset
from torchbudget.data.overlap import find_shared, name_rows
from torchbudget.errors import DataError, OverlapError, ResultsError
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import Run, read_results
from utils import kaggle


def find_record(weights: Path, results: Path) -> Run:
    """The record in `results` of the run that left this file of weights, found by digest; raises `DataError`."""
    try:
        digest, runs = file_digest(weights), read_results(results)
    except ResultsError as error:
        raise DataError(str(error)) from error
    record = next((run for run in runs if run.digests.weights == digest), None)
    if record is None:
        raise DataError(
            f"{weights} belongs to no record in {results}: what it was trained on is not known, so nothing is predicted from a CSV"
        )
    if record.seal != record.expected_seal():
        raise DataError(f"the record of {weights} in {results} was edited by hand; train again")
    return record


def load_trained(
    weights: list[Path],
    results: Path,
    train_csv: Path | None,
    pixels: torch.Tensor,
    data_root: Path | None,
) -> dict[str, torch.Tensor]:
    """The images that these files of weights learnt from or were chosen by, each uint8 (M, 1, 28, 28), by what they are called.

    `pixels` are to be predicted: a run on `train_csv` may have left them out. Raises `DataError`.
    """
    images = train_csv and kaggle.read_train_csv(train_csv)
    records = {path: find_record(path, results) for path in weights}
    named = {record.dataset for record in records.values()} - {kaggle.NAME}
    trained = {name: load_dataset(name, data_root).train.pixels for name in named}
    for path, record in records.items():
        if record.dataset == kaggle.NAME:
            trained[str(train_csv)] = _recover(path, record, train_csv, images, pixels)
    return trained


def _recover(
    path: Path, record: Run, train_csv: Path | None, images: Images | None, pixels: torch.Tensor
) -> torch.Tensor:
    if images is None:
        raise DataError(
            f"{path} was trained from a CSV; name it with --train-csv, so that its images can be compared"
        )
    found = kaggle.recover_trained(
        images, pixels, record.val_images, (record.digests.train, record.digests.val)
    )
    if found is None:
        raise DataError(
            f"{path} was not trained from {train_csv}, or not against the file to be predicted: its record names other images"
        )
    return found.pixels


def choose_unseen(
    pixels: torch.Tensor, trained: dict[str, torch.Tensor], drop_overlap: bool
) -> torch.Tensor:
    """Indices of those of `pixels` that do not stand among the images that weights were `trained` on, which are named.

    Where any does, raises `OverlapError` or, with `drop_overlap`, says on stdout what is left out; raises `OverlapError` too where nothing is left.
    """
    names, shared = " and ".join(trained), find_shared(pixels, torch.cat([*trained.values()]))
    if not shared.any():
        print(
            f"none of {len(pixels):,} images to be predicted is among those of {names} that the weights were trained on"
        )
        return torch.arange(len(pixels))
    found = f"{int(shared.sum()):,} of {len(pixels):,} images to be predicted ({name_rows(shared)}) are among those of {names} that the weights were trained on"
    if shared.all() or not drop_overlap:
        raise OverlapError(
            f"VOID: {found}; they would be recalled, not read, so no submission is written: train on other images "
            "(train.py ENTRY --train-csv train.csv --against test.csv --drop-overlap), or leave these rows out (--drop-overlap)"
        )
    print(f"{found}: left out, so this is not a whole submission")
    return (~shared).nonzero().flatten()
