"""Data sets from files of somebody's own; a relative path starts at the zoo file's folder."""

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from torchbudget.data.arrays import to_dataset
from torchbudget.data.images import Dataset, ImageSpec
from torchbudget.data.memory import check_memory
from torchbudget.data.spec import DataSpec, Place
from torchbudget.data.split import fixed_permutation
from torchbudget.errors import DataError
from torchbudget.reading import reading
from torchbudget.report.text import first_line

Statistics = tuple[float, ...] | None
KEYS = ("x_train", "y_train", "x_test", "y_test")
HELD_OUT = 6
"""One row in so many of a CSV without a test file of its own is held out as test."""


def name_of(path: str, name: str | None) -> str:
    """The data set's name: the one given, or the file's in lower case."""
    return name or re.sub(r"[^a-z0-9]+", "_", Path(path).stem.lower()).strip("_")


def normalised(dataset: Dataset, mean: Statistics, std: Statistics) -> Dataset:
    """The data set, with the mean and deviation that were declared."""
    if mean is None and std is None:
        return dataset
    return dataset.with_image(replace(dataset.image, mean=mean, std=std))


# --- npz ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NpzLoader:
    """Reads a NumPy archive of `x_train`, `y_train`, `x_test` and `y_test`."""

    name: str
    path: str
    mean: Statistics
    std: Statistics

    def __call__(self, place: Place) -> Dataset:
        path = place.folder / self.path
        with reading(path, DataError, "cannot be read as an .npz file"):
            check_memory(str(path), sum(unpacked_sizes(path)))
            with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
                missing = [key for key in KEYS if key not in archive.files]
                if missing:
                    needed = ", ".join(KEYS)
                    raise DataError(f"{path} lacks {', '.join(missing)}; it needs {needed}")
                arrays = {key: archive[key] for key in KEYS}
        parts = [
            (f"{path}, {part}", arrays[f"x_{part}"], arrays[f"y_{part}"])
            for part in ("train", "test")
        ]
        return normalised(to_dataset(self.name, parts[0], parts[1], None), self.mean, self.std)


def unpacked_sizes(path: Path) -> list[int]:
    """Bytes of each member of a zip archive when it is unpacked."""
    with zipfile.ZipFile(path) as archive:
        return [member.file_size for member in archive.infolist()]


def npz(
    path: str,
    name: str | None = None,
    mean: Statistics = None,
    std: Statistics = None,
) -> DataSpec:
    """Arrays named as Keras names them, of an .npz file.

    `x_train` and `x_test` are uint8 (N, H, W) or (N, H, W, C), `y_train` and `y_test` integers
    (N,). `mean` and `std` as for `torchvision`.
    """
    name = name_of(path, name)
    return DataSpec(name=name, load=NpzLoader(name, path, mean, std))


# --- a folder of pictures -------------------------------------------------------------------------


@dataclass(frozen=True)
class FolderLoader:
    """Reads `train/CLASS/*.png` and `test/CLASS/*.png` under a folder."""

    name: str
    path: str
    size: tuple[int, int] | None
    channels: int | None
    mean: Statistics
    std: Statistics

    def __call__(self, place: Place) -> Dataset:
        folder = place.folder / self.path
        classes = self._classes(folder)
        parts = [
            (str(folder / part), *self._read(folder / part, classes)) for part in ("train", "test")
        ]
        widest = max(pixels.shape[3] for _, pixels, _ in parts)
        parts = [
            (name, np.repeat(pixels, widest // pixels.shape[3], axis=3), labels)
            for name, pixels, labels in parts
        ]
        height, width = parts[0][1].shape[1:3]
        image = ImageSpec((widest, height, width), max(len(classes), 2))
        return normalised(to_dataset(self.name, parts[0], parts[1], image), self.mean, self.std)

    def _classes(self, folder: Path) -> list[str]:
        """The names of the classes, in alphabetical order: those of `train/`."""
        for part in ("train", "test"):
            if not (folder / part).is_dir():
                raise DataError(f"{folder} has no folder {part}/ with a folder for each class")
        train, test = (
            sorted(path.name for path in (folder / part).iterdir() if path.is_dir())
            for part in ("train", "test")
        )
        if not train:
            raise DataError(f"{folder / 'train'} holds no folder of a class")
        unknown = sorted(set(test) - set(train))
        if unknown:
            raise DataError(f"{folder / 'test' / unknown[0]} is a class that train/ does not have")
        return train

    def _read(self, folder: Path, classes: list[str]) -> tuple[np.ndarray, np.ndarray]:
        """uint8 (N, H, W, C) and labels (N,) of one part, C the most channels that any file has."""
        pictures: list[np.ndarray] = []
        labels: list[int] = []
        for label, name in enumerate(classes):
            files = sorted(path for path in (folder / name).glob("*") if path.is_file())
            for path in files:
                pixels = self._read_file(path)
                if pictures and pixels.shape[:2] != pictures[0].shape[:2]:
                    raise DataError(
                        f"{path} is {pixels.shape[1]}x{pixels.shape[0]}, the first picture "
                        f"{pictures[0].shape[1]}x{pictures[0].shape[0]}; give size=(H, W)"
                    )
                pictures.append(pixels)
                labels.append(label)
            check_memory(str(folder), sum(picture.nbytes for picture in pictures))
        if not pictures:
            raise DataError(f"{folder} holds no pictures")
        channels = max(picture.shape[2] for picture in pictures)
        stacked = np.stack([np.repeat(p, channels // p.shape[2], axis=2) for p in pictures])
        return stacked, np.array(labels)

    def _read_file(self, path: Path) -> np.ndarray:
        """uint8 (H, W, C) of one picture: grey with one channel, anything else with three."""
        try:
            from PIL import Image
        except ImportError as error:
            raise DataError(
                "pictures are read by Pillow, which is not installed: "
                'pip install "torchbudget[images]"'
            ) from error
        with (
            reading(path, DataError, "is no picture that Pillow can read"),
            Image.open(path) as opened,
        ):
            grey = opened.mode in ("1", "L") if self.channels is None else self.channels == 1
            picture = opened.convert("L" if grey else "RGB")
            if self.size:
                picture = picture.resize(self.size[::-1])
            pixels = np.asarray(picture)
        return pixels.reshape(*pixels.shape[:2], -1)


def image_folder(
    path: str,
    name: str | None = None,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    mean: Statistics = None,
    std: Statistics = None,
) -> DataSpec:
    """Pictures in `train/CLASS/` and `test/CLASS/`; classes are numbered in alphabetical order.

    All have one size, or `size` (height, width) is what they are resized to. `channels` is 1 for
    grey and 3 for colour; where it is None, colour if any picture has it.
    """
    name = name_of(path, name)
    return DataSpec(name=name, load=FolderLoader(name, path, size, channels, mean, std))


# --- CSV ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CsvLoader:
    """Reads rows of a label and the pixels of one image."""

    name: str
    path: str
    test: str | None
    shape: tuple[int, int, int] | None
    mean: Statistics
    std: Statistics

    def __call__(self, place: Place) -> Dataset:
        path = place.folder / self.path
        table = read_rows(path)
        if self.test is None:
            order = np.array(fixed_permutation(f"{self.name} test", len(table)))
            cut = len(table) // HELD_OUT
            if not cut:
                raise DataError(
                    f"{path} has {len(table)} rows; {HELD_OUT} are needed to hold one out"
                )
            train, test = table[np.sort(order[cut:])], table[np.sort(order[:cut])]
            parts = [self._split(path, train), self._split(path, test)]
        else:
            other = place.folder / self.test
            parts = [self._split(path, table), self._split(other, read_rows(other))]
        return normalised(to_dataset(self.name, parts[0], parts[1], None), self.mean, self.std)

    def _split(self, path: Path, table: np.ndarray) -> tuple[str, torch.Tensor, np.ndarray]:
        count = table.shape[1] - 1
        side = round(count**0.5)
        shape = self.shape or (1, side, side)
        if np.prod(shape) != count:
            raise DataError(
                f"{path} has {count} pixels a row, not {'x'.join(map(str, shape))}; "
                "give shape=(C, H, W)"
            )
        pixels = torch.from_numpy(table[:, 1:].astype(np.uint8)).view(-1, *shape)
        return str(path), pixels, table[:, 0]


def read_rows(path: Path) -> np.ndarray:
    """int64 (rows, 1 + pixels) of a CSV, with or without a header; raises `DataError`."""
    with reading(path, DataError, "cannot be read as a CSV"):
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    has_header = bool(lines) and not all(is_integer(cell) for cell in lines[0].split(","))
    rows = lines[1:] if has_header else lines
    if not rows:
        raise DataError(f"{path} holds no rows")
    width = rows[0].count(",") + 1
    check_memory(str(path), 8 * width * len(rows))
    try:
        table = np.loadtxt(rows, dtype=np.int64, delimiter=",", comments=None, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}, {find_fault(rows, width, 1 + has_header)}") from error
    if len(table) != len(rows) or (table[:, 1:] < 0).any() or (table[:, 1:] > 255).any():
        raise DataError(f"{path}, {find_fault(rows, width, 1 + has_header)}")
    return table


def is_integer(cell: str) -> bool:
    return re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", cell) is not None


def find_fault(rows: list[str], width: int, first_line_number: int) -> str:
    """Where the first fault is, and what."""
    for number, row in enumerate(rows, first_line_number):
        cells = row.split(",")
        if len(cells) != width:
            return f"line {number}: {len(cells)} values, the first row has {width}"
        for column, cell in enumerate(cells, 1):
            if not is_integer(cell):
                return f"line {number}, value {column}: {cell.strip()[:40]!r} is no integer"
            if column > 1 and not 0 <= int(cell) <= 255:
                return f"line {number}, value {column}: {cell.strip()[:40]} is outside 0 to 255"
    return "the rows cannot be read as integers"


def csv(
    path: str,
    test: str | None = None,
    shape: tuple[int, int, int] | None = None,
    name: str | None = None,
    mean: Statistics = None,
    std: Statistics = None,
) -> DataSpec:
    """Rows of a label, then the pixels of one image, row by row and channel by channel.

    `shape` is (C, H, W); without it the image is square and grey. Without a `test` file, a fixed
    sixth of the rows is held out as test.
    """
    name = name_of(path, name)
    return DataSpec(name=name, load=CsvLoader(name, path, test, shape, mean, std))


# --- a function -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class FunctionLoader:
    """Calls a function for (x_train, y_train, x_test, y_test)."""

    name: str
    function: Callable[[], tuple[object, object, object, object]]
    image: ImageSpec | None

    def __call__(self, place: Place) -> Dataset:
        try:
            arrays = self.function()
        except Exception as error:  # whatever somebody's own loader raises
            raise DataError(
                f"the loader of {self.name} failed: {type(error).__name__}: {first_line(error)}"
            ) from error
        if not isinstance(arrays, (tuple, list)) or len(arrays) != len(KEYS):
            raise DataError(f"the loader of {self.name} must return {', '.join(KEYS)}")
        x_train, y_train, x_test, y_test = arrays
        train, test = (
            (f"{self.name}, train", x_train, y_train),
            (f"{self.name}, test", x_test, y_test),
        )
        return to_dataset(self.name, train, test, self.image)


def custom(
    name: str,
    load: Callable[[], tuple[object, object, object, object]],
    image: ImageSpec | None = None,
) -> DataSpec:
    """What a function of one's own returns: `x_train`, `y_train`, `x_test`, `y_test`.

    Arrays are uint8 (N, H, W) or (N, H, W, C), tensors uint8 (N, C, H, W); labels are integers.
    """
    return DataSpec(name=name, load=FunctionLoader(name, load, image), image=image)
