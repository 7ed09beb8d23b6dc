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
from utils.runs import Store


def find_record(weights: Path, stores: list[Store]) -> Run:
    """The record of the run that left this file of weights, found by digest in one of `stores`.

    Raises `DataError` where there is none, or where it was edited.
    """
    try:
        runs = [run for store in stores for run in read_results(store.results)]
    except ResultsError as error:
        raise DataError(str(error)) from error
    digest = file_digest(weights)
    files = " or ".join(str(store.results) for store in stores)
    record = next((run for run in runs if run.digests.weights == digest), None)
    if record is None:
        raise DataError(
            f"{weights} belongs to no record in {files}: what it was trained on is not known, "
            "so nothing is predicted from a CSV"
        )
    if record.seal != record.expected_seal():
        raise DataError(f"the record of {weights} in {files} was edited by hand; train again")
    return record


def load_trained(
    weights: list[Path],
    stores: list[Store],
    train_csv: Path | None,
    pixels: torch.Tensor,
    data_root: Path | None,
) -> dict[str, torch.Tensor]:
    """The images that these files of weights were trained on or chosen by.

    Each is uint8 (M, 1, 28, 28) under the name of its data set or file. `pixels` are to be
    predicted: a run on `train_csv` may have left them out. Raises `DataError`.
    """
    images = kaggle.read_train_csv(train_csv) if train_csv else None
    records = {path: find_record(path, stores) for path in weights}
    trained = {}
    for path, record in records.items():
        if record.dataset == kaggle.NAME:
            trained[str(train_csv)] = _recover(path, record, train_csv, images, pixels)
        elif record.dataset not in trained:
            trained[record.dataset] = load_dataset(record.dataset, data_root).train.pixels
    return trained


def _recover(
    path: Path, record: Run, train_csv: Path | None, images: Images | None, pixels: torch.Tensor
) -> torch.Tensor:
    if images is None:
        raise DataError(
            f"{path} was trained on a CSV; name it with --train-csv, "
            "so that its images can be compared"
        )
    digests = (record.digests.train, record.digests.val)
    recovered = kaggle.recover_trained(images, pixels, record.val_images, digests)
    if recovered is None:
        raise DataError(
            f"{path} was not trained on {train_csv}, or not against the file to be predicted: "
            "its record names other images"
        )
    return recovered.pixels


def choose_unseen(
    pixels: torch.Tensor, trained: dict[str, torch.Tensor], drop_overlap: bool
) -> torch.Tensor:
    """Indices of those of `pixels` that are not among the images that weights were `trained` on.

    If any is among them, this raises `OverlapError` or, with `drop_overlap`, prints what is left
    out. If none is left, this raises `OverlapError` in any case.
    """
    names = " and ".join(trained)
    shared = find_shared(pixels, torch.cat([*trained.values()]))
    among = f"among those of {names} that the weights were trained on"
    if not shared.any():
        print(f"none of {len(pixels):,} images to be predicted is {among}")
        return torch.arange(len(pixels))
    overlap = (
        f"{int(shared.sum()):,} of {len(pixels):,} images to be predicted ({name_rows(shared)}) "
        f"are {among}"
    )
    if shared.all() or not drop_overlap:
        raise OverlapError(
            f"VOID: {overlap}; they would be recalled, not recognised, so no submission is "
            "written: train on other images (train.py ENTRY --train-csv train.csv --against "
            "test.csv --drop-overlap), or leave these rows out (--drop-overlap)"
        )
    print(f"{overlap}: left out, so this is not a whole submission")
    return (~shared).nonzero().flatten()
