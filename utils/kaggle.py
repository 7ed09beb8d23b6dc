"""The files of Kaggle's digit-recognizer: `label,pixel0..pixel783` to train on, `pixel0..pixel783` to predict, `ImageId,Label` to hand in.

A row is counted as ImageId counts it: the first image is row 1, on the file's second line.
"""

import re
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import torch

from torchbudget.data.images import Dataset, Images
from torchbudget.data.mnist import IMAGE
from torchbudget.data.overlap import find_shared, name_rows
from torchbudget.data.split import fixed_permutation, split_train_val
from torchbudget.errors import DataError, OverlapError, ZooError
from torchbudget.evidence.files import write_atomically

NAME = "kaggle_csv"
FEWEST = 100
HELD_OUT = 6
"""One image in so many is dealt out of a train.csv to be its test: the competition's own test has no labels."""

PIXELS = [f"pixel{index}" for index in range(784)]
LIMITS = {"label": 9} | dict.fromkeys(PIXELS, 255)


def read_train_csv(path: Path) -> Images:
    """The labelled images of a train.csv; raises `DataError`, which names the row and column of the first fault."""
    table = _read(path, ["label", *PIXELS])
    return Images(table[:, 1:].reshape(-1, *IMAGE.shape).contiguous(), table[:, 0].long(), IMAGE)


def read_test_csv(path: Path) -> torch.Tensor:
    """The images of a test.csv, uint8 (N, 1, 28, 28); raises `DataError`, which names the row and column of the first fault."""
    return _read(path, PIXELS).view(-1, 1, 28, 28)


def write_submission(
    path: Path, predictions: torch.Tensor, image_ids: list[int] | None = None
) -> None:
    """The digits (N,) as a submission; `image_ids` are their rows where they are not 1..N."""
    rows = zip(image_ids or range(1, len(predictions) + 1), predictions.tolist(), strict=True)
    text = "ImageId,Label\n" + "".join(f"{row},{digit}\n" for row, digit in rows)
    write_atomically(path, lambda partial: partial.write_text(text))


def deal_train_csv(
    images: Images, against: torch.Tensor | None = None, drop_overlap: bool = False
) -> Dataset:
    """The images of a train.csv as the data set `kaggle_csv`: one in six, dealt by a fixed order, is its test, the others are to train on.

    None to train on may stand among the test's or in `against`, uint8 (N, 1, 28, 28): such rows raise `OverlapError`, or are left out.
    """
    if len(images) < FEWEST:
        raise DataError(
            f"a train.csv of {len(images)} images is too small: {FEWEST} are needed, one in {HELD_OUT} to be held out as test"
        )
    held_out = torch.zeros(len(images), dtype=torch.bool)
    held_out[fixed_permutation(f"{NAME} test", len(images))[: len(images) // HELD_OUT]] = True
    test = images[held_out]
    shared = torch.zeros_like(held_out)
    for others, place in (
        (test.pixels, "among the images held out as test"),
        (against, "in the file to be predicted"),
    ):
        found = ~held_out & find_shared(images.pixels, others) if others is not None else shared
        if found.any() and not drop_overlap:
            raise OverlapError(
                f"VOID: {int(found.sum()):,} of {len(images):,} training images ({name_rows(found)}) also stand {place}; --drop-overlap leaves them out"
            )
        shared = shared | found
    if not (~held_out & ~shared).any():
        raise OverlapError(
            f"VOID: all {int((~held_out).sum()):,} training images also stand there or among those held out; nothing is left to train on"
        )
    return Dataset(NAME, images[~held_out & ~shared], test)


def add_options(parser: ArgumentParser) -> None:
    """What `train.py` is told of a competition's files."""
    parser.add_argument(
        "--train_csv",
        type=Path,
        help="train on this file (label,pixel0,...,pixel783); never evidence, its weights go to the output",
    )
    parser.add_argument(
        "--against",
        type=Path,
        help="the test.csv that is to be predicted: no image in it may be trained on",
    )
    parser.add_argument(
        "--drop_overlap",
        action="store_true",
        help="leave out of training what also stands in the file to be predicted",
    )


def load_asked(options: Namespace) -> Dataset | None:
    """The data set of the `--train_csv` that was asked for, if any; says on stdout what became of its images.

    Raises `DataError`, `OverlapError`, and `ZooError` where the options do not go together.
    """
    if not options.train_csv:
        if options.against or options.drop_overlap:
            raise ZooError("--against and --drop-overlap go with --train-csv FILE")
        return None
    if options.all:
        raise ZooError(
            "--all trains the entries on their own data sets; name one ENTRY to train on --train-csv"
        )
    images = read_train_csv(options.train_csv)
    dataset = deal_train_csv(
        images, options.against and read_test_csv(options.against), options.drop_overlap
    )
    dropped = len(images) - len(dataset.train) - len(dataset.test)
    print(
        f"{options.train_csv}: {len(images):,} images, {len(dataset.test):,} of them held out as test, since the competition's test has no labels"
    )
    compared = options.against or "no file to be predicted (--against test.csv)"
    print(
        f"compared with {compared}: {dropped:,} images left out of training that also stand there or among those held out",
        flush=True,
    )
    return dataset


def recover_trained(
    images: Images, against: torch.Tensor, val_images: int, digests: tuple[str, str | None]
) -> Images | None:
    """The images of a train.csv that a run learnt from or chose by, where its recorded `digests` of train and val prove it; else None.

    The run may have left out what stands in `against`, or nothing.
    """
    for others in (None, against):
        try:
            dataset = deal_train_csv(images, others, drop_overlap=True)
        except OverlapError:
            continue  # nothing is left, so this is not what the run did
        if val_images < len(dataset.train):
            train, val = split_train_val(dataset, val_images)
            if (train.digest, val.digest if len(val) else None) == digests:
                return dataset.train
    return None


def _read(path: Path, columns: list[str]) -> torch.Tensor:
    """uint8 (rows, columns) of the CSV at `path`."""
    try:
        header, *lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as a CSV: {error}") from error
    _check_header(path, header.split(","), columns)
    if not lines:
        raise DataError(f"{path} holds a header and no images")
    table = _parse(lines, columns)
    if table is None:
        raise DataError(f"{path}, {_find_fault(lines, columns)}")
    return torch.from_numpy(table)


def _parse(lines: list[str], columns: list[str]) -> np.ndarray | None:
    """uint8 (rows, columns); None where there is a fault."""
    if "" in lines:
        return None  # which loadtxt would pass over
    try:
        table = np.loadtxt(lines, dtype=np.uint8, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        return None
    fits = table.shape == (len(lines), len(columns)) and (
        columns[0] != "label" or table[:, 0].max() <= LIMITS["label"]
    )
    return table if fits else None


def _check_header(path: Path, found: list[str], columns: list[str]) -> None:
    wanted = f"{columns[0]},{columns[1]},...,{columns[-1]} is expected, {len(columns)} columns"
    if found in (PIXELS, ["label", *PIXELS]) and found != columns:
        kind = (
            "with labels, to train on" if found[0] == "label" else "without labels, to be predicted"
        )
        raise DataError(f"{path} is a file {kind}: its header begins with {found[0]}; {wanted}")
    if found != columns:
        place = next(
            (index for index, name in enumerate(columns) if found[index : index + 1] != [name]),
            len(columns),
        )
        name = repr(found[place][:40]) if place < len(found) else "missing"
        raise DataError(
            f"{path} has a wrong header: {len(found)} columns, number {place + 1} is {name}; {wanted}"
        )


def _find_fault(lines: list[str], columns: list[str]) -> str:
    """Where the first fault is, and what: the thousand rows that cannot be parsed, value by value."""
    start = next(
        start
        for start in range(0, len(lines), 1_000)
        if _parse(lines[start : start + 1_000], columns) is None
    )
    for row, line in enumerate(lines[start : start + 1_000], start + 1):
        values = line.split(",")
        if len(values) != len(columns):
            return f"row {row} (line {row + 1}): {len(values) if line else 0} values, {len(columns)} are expected"
        for column, value in zip(columns, values, strict=True):
            if not re.fullmatch(r"\s*[+-]?[0-9]{1,99}\s*", value):
                return f"row {row} (line {row + 1}), column {column}: {value[:40]!r} is no integer"
            if not 0 <= int(value) <= LIMITS[column]:
                return f"row {row} (line {row + 1}), column {column}: {value.strip()[:40]} is outside 0..{LIMITS[column]}"
    return "no fault found in any row, yet it cannot be read as integers"
