"""The files of Kaggle's digit-recognizer.

A train.csv has the columns `label,pixel0..pixel783`, a test.csv `pixel0..pixel783`, and a
submission `ImageId,Label`. Rows are numbered as ImageId is: the first image is row 1, on the
file's second line.
"""

import re
from argparse import Namespace
from pathlib import Path

import numpy as np
import torch

from torchbudget.data.images import Dataset, Images
from torchbudget.data.mnist import IMAGE
from torchbudget.data.overlap import find_shared, name_rows
from torchbudget.data.split import fixed_permutation, split_train_val
from torchbudget.errors import DataError, OverlapError, UsageError
from torchbudget.evidence.files import write_atomically
from torchbudget.reading import reading

NAME = "kaggle_csv"
FEWEST = 100
HELD_OUT = 6
"""One image in six of a train.csv is held out as test: the competition's test has no labels."""

PIXELS = [f"pixel{index}" for index in range(784)]
LIMITS = {"label": 9} | dict.fromkeys(PIXELS, 255)


def read_train_csv(path: Path) -> Images:
    """The labelled images of a train.csv.

    Raises `DataError`, which names the row and column of the first fault.
    """
    table = _read(path, ["label", *PIXELS])
    return Images(table[:, 1:].reshape(-1, *IMAGE.shape).contiguous(), table[:, 0].long(), IMAGE)


def read_test_csv(path: Path) -> torch.Tensor:
    """The images of a test.csv, uint8 (N, 1, 28, 28).

    Raises `DataError`, which names the row and column of the first fault.
    """
    return _read(path, PIXELS).view(-1, 1, 28, 28)


def write_submission(
    path: Path, predictions: torch.Tensor, image_ids: list[int] | None = None
) -> None:
    """Write the digits (N,) as a submission; `image_ids` are their rows, by default 1..N."""
    rows = zip(image_ids or range(1, len(predictions) + 1), predictions.tolist(), strict=True)
    text = "ImageId,Label\n" + "".join(f"{row},{digit}\n" for row, digit in rows)
    write_atomically(path, text)


def split_train_csv(
    images: Images,
    against: torch.Tensor | None = None,
    drop_overlap: bool = False,
    hold_out: bool = True,
) -> Dataset:
    """The images of a train.csv as the data set `kaggle_csv`.

    One image in six, by a fixed permutation, is its test; the others are its training images.
    Without `hold_out` all images are trained on and there is no test. A training image that is also
    a test image or in `against`, uint8 (N, 1, 28, 28), raises `OverlapError`, or is left out with
    `drop_overlap`.
    """
    held_out = choose_held_out(len(images)) if hold_out else no_rows(len(images))
    test = images[held_out]
    compared = [(test.pixels, "among the images held out as test")]
    if against is not None:
        compared.append((against, "in the file to be predicted"))
    shared = no_rows(len(images))
    for others, place in compared:
        overlap = ~held_out & find_shared(images.pixels, others)
        if overlap.any() and not drop_overlap:
            raise OverlapError(
                f"VOID: {int(overlap.sum()):,} of {len(images):,} training images "
                f"({name_rows(overlap)}) are also {place}; --drop-overlap leaves them out"
            )
        shared |= overlap
    trained = ~held_out & ~shared
    if not trained.any():
        raise OverlapError(
            f"VOID: all {int((~held_out).sum()):,} training images are also among those held out "
            "or to be predicted; nothing is left to train on"
        )
    return Dataset(NAME, images[trained], test)


def choose_held_out(count: int) -> torch.Tensor:
    """bool (count,): the images held out of a train.csv; raises `DataError` below `FEWEST`."""
    if count < FEWEST:
        raise DataError(
            f"a train.csv of {count} images is too small: {FEWEST} are needed, "
            f"one in {HELD_OUT} to be held out as test"
        )
    held_out = no_rows(count)
    held_out[fixed_permutation(f"{NAME} test", count)[: count // HELD_OUT]] = True
    return held_out


def no_rows(count: int) -> torch.Tensor:
    return torch.zeros(count, dtype=torch.bool)


def load_competition(options: Namespace) -> Dataset | None:
    """The data set of the `--train_csv` that is asked for, if any; prints what became of its rows.

    Raises `DataError`, `OverlapError`, and `UsageError` where the options do not go together.
    """
    if not options.train_csv:
        if options.against or options.drop_overlap or options.all_rows:
            raise UsageError("--against, --drop-overlap and --all-rows go with --train-csv FILE")
        return None
    if options.all:
        raise UsageError(
            "--all trains the entries on their own data sets; "
            "name one ENTRY to train on --train-csv"
        )
    if options.record:
        raise UsageError("--record keeps evidence, and a run on --train-csv is none")
    images = read_train_csv(options.train_csv)
    against = options.against and read_test_csv(options.against)
    dataset = split_train_csv(images, against, options.drop_overlap, not options.all_rows)
    held_out = f"{len(dataset.test):,} of them held out as test"
    if options.all_rows:
        held_out = "none of them held out, so nothing is tested"
    print(f"{options.train_csv}: {len(images):,} images, {held_out}")
    dropped = len(images) - len(dataset.train) - len(dataset.test)
    compared = options.against or "no file to be predicted (--against test.csv)"
    print(
        f"compared with {compared}: {dropped:,} images left out of training that are also there "
        "or among those held out",
        flush=True,
    )
    return dataset


def recover_trained(
    images: Images, against: torch.Tensor, val_images: int, digests: tuple[str, str | None]
) -> Images | None:
    """The images of a train.csv that a run was trained on and chosen by; None without proof.

    The proof is the recorded digests of its train and val images. The run may have held out a test
    or nothing, and may have left out what is in `against`.
    """
    for hold_out in (True, False):
        for others in (None, against):
            try:
                dataset = split_train_csv(images, others, True, hold_out)
            except (OverlapError, DataError):
                continue  # nothing to train on, so the run did something else
            if val_images < len(dataset.train):
                train, val = split_train_val(dataset, val_images)
                if (train.digest, val.digest if len(val) else None) == digests:
                    return dataset.train
    return None


def _read(path: Path, columns: list[str]) -> torch.Tensor:
    """uint8 (rows, columns) of the CSV at `path`."""
    with reading(path, DataError, "cannot be read as a CSV"):
        header, *lines = path.read_text(encoding="utf-8-sig").removesuffix("\n").split("\n")
        _check_header(path, header.split(","), columns)
        if not lines:
            raise DataError(f"{path} holds a header and no images")
        table = _parse(lines, columns)
        if table is None:
            raise DataError(f"{path}, {_find_fault(lines, columns)}")
        return torch.from_numpy(table)


def _parse(lines: list[str], columns: list[str]) -> np.ndarray | None:
    """uint8 (rows, columns); None if there is a fault."""
    if "" in lines:
        return None  # loadtxt would skip the empty line
    try:
        table = np.loadtxt(lines, dtype=np.uint8, delimiter=",", comments=None, ndmin=2)
    except ValueError:
        return None
    if table.shape != (len(lines), len(columns)):
        return None
    if columns[0] == "label" and table[:, 0].max() > LIMITS["label"]:
        return None
    return table


def _check_header(path: Path, header: list[str], columns: list[str]) -> None:
    wanted = f"{columns[0]},{columns[1]},...,{columns[-1]} is expected, {len(columns)} columns"
    if header == columns:
        return
    if header in (PIXELS, ["label", *PIXELS]):
        kind = "without labels, to be predicted"
        if header[0] == "label":
            kind = "with labels, to train on"
        raise DataError(f"{path} is a file {kind}: its header begins with {header[0]}; {wanted}")
    first = 0  # the first column that differs
    while header[first : first + 1] == columns[first : first + 1]:
        first += 1
    name = repr(header[first][:40]) if first < len(header) else "missing"
    raise DataError(
        f"{path} has a wrong header: {len(header)} columns, number {first + 1} is {name}; {wanted}"
    )


def _find_fault(lines: list[str], columns: list[str]) -> str:
    """The first fault and its place.

    It is searched for value by value in the first thousand rows that cannot be parsed.
    """
    start = next(
        start
        for start in range(0, len(lines), 1_000)
        if _parse(lines[start : start + 1_000], columns) is None
    )
    for row, line in enumerate(lines[start : start + 1_000], start + 1):
        place = f"row {row} (line {row + 1})"
        values = line.split(",") if line else []
        if len(values) != len(columns):
            return f"{place}: {len(values)} values, {len(columns)} are expected"
        for column, value in zip(columns, values, strict=True):
            limit = LIMITS[column]
            if not re.fullmatch(r"\s*[+-]?[0-9]{1,99}\s*", value):
                return f"{place}, column {column}: {value[:40]!r} is no integer"
            if not 0 <= int(value) <= limit:
                return f"{place}, column {column}: {value.strip()[:40]} is outside 0..{limit}"
    return "no fault found in any row, yet it cannot be read as integers"
