"""What weights were trained on, and which images they have therefore never seen."""

from pathlib import Path

import torch

from utils import kaggle
from utils.data import DataError, load_dataset
from utils.evidence import EvidenceError, Run, read_results
from utils.overlap import Overlap, find_twins, name_rows
from utils.shipped import weights_digest


def find_record(weights: list[Path], results: Path) -> Run:
    """The record in `results` of the run that left these files of weights, found by digest; raises `DataError`."""
    digest = weights_digest(weights)
    try:
        record = next((run for run in read_results(results) if run.digests.weights == digest), None)
    except EvidenceError as error:
        raise DataError(str(error)) from error
    if record is None:
        raise DataError(f"{weights[0]} belongs to no record in {results}: what it was trained on is not known, so nothing is predicted from a CSV")
    if record.seal != record.expected_seal():
        raise DataError(f"the record of {weights[0]} in {results} was edited by hand; train again")
    return record


def load_trained(weights: list[Path], results: Path, train_csv: Path | None, pixels: torch.Tensor, data_root: Path | None) -> tuple[torch.Tensor, str]:
    """The images that the network of `weights` learnt from or was chosen by, uint8 (M, 1, 28, 28), and their name.

    `pixels` are to be predicted: a run on `train_csv` may have left them out. Raises `DataError`.
    """
    record = find_record(weights, results)
    if record.dataset != kaggle.NAME:
        return load_dataset(record.dataset, data_root).train.pixels, record.dataset
    if train_csv is None:
        raise DataError(f"{weights[0]} was trained from a CSV; name it with --train-csv, so that its images can be compared")
    trained = kaggle.recover_trained(kaggle.read_train_csv(train_csv), pixels, record.val_images, (record.digests.train, record.digests.val))
    if trained is None:
        raise DataError(f"{weights[0]} was not trained from {train_csv}, or not against this file: the images in its record are others")
    return trained.pixels, str(train_csv)


def choose_unseen(pixels: torch.Tensor, seen: torch.Tensor, name: str, drop_overlap: bool) -> torch.Tensor:
    """Indices of those of `pixels` that do not stand in `seen`, the images of `name`, which weights were trained on.

    Where any does, raises `Overlap` or, with `drop_overlap`, says on stdout what is left out; raises `Overlap` too where nothing is left.
    """
    shared = find_twins(pixels, seen)
    count = f"{int(shared.sum()):,} of {len(pixels):,} images to be predicted ({name_rows(shared)}) are among those of {name} that the weights were trained on"
    if shared.all() or (shared.any() and not drop_overlap):
        raise Overlap(
            f"VOID: {count}; they would be recalled, not read, so no submission is written: train on other images "
            "(train.py ENTRY --train-csv train.csv --against test.csv), or leave these rows out (--drop-overlap)"
        )
    if shared.any():
        print(f"{count}: left out, so this is not a whole submission")
    else:
        print(f"none of {len(pixels):,} images to be predicted is among the {len(seen):,} of {name} that the weights were trained on")
    return (~shared).nonzero().flatten()
