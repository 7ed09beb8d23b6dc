"""The missed test images of a data set, side by side in one picture that all pages show from."""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from torchbudget.data.images import Images
from torchbudget.data.loading import load_dataset
from torchbudget.data.spec import DataSpec
from torchbudget.errors import DataError
from torchbudget.evidence.files import write_atomically
from utils.pages.facts import Facts

COLUMNS = 32
"""Images of a row of the picture."""


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """The missed images of a data set: `indices` among its test images, in ascending order.

    `labels` are their true classes and `size` is (width, height) of each; both are None where the
    images are not here, and `absence` then says why.
    """

    dataset: str
    indices: Sequence[int]
    labels: Sequence[int] | None = None
    size: tuple[int, int] | None = None
    absence: str = ""

    @property
    def file(self) -> str:
        """Where the picture is, from the root of the site."""
        return f"assets/digits/{self.dataset}.png"

    def label_of(self, index: int) -> int | None:
        """The true class of a missed image."""
        return None if self.labels is None else self.labels[self.indices.index(index)]

    def place_of(self, index: int) -> tuple[int, int]:
        """(column, row) of a missed image in the picture."""
        row, column = divmod(self.indices.index(index), COLUMNS)
        return column, row


def make_sheets(facts: Iterable[Facts], zoo_file: Path, target: Path) -> dict[str, Sheet]:
    """The sheet of each data set, by its name; the pictures are written below `target`."""
    specs: dict[str, DataSpec] = {}
    missed: dict[str, set[int]] = {}
    for one in facts:
        specs[one.entry.dataset] = one.entry.data
        missed.setdefault(one.entry.dataset, set()).update(one.missed_by)
    sheets = {}
    for name, spec in specs.items():
        indices = sorted(missed[name])
        try:
            test = load_dataset(spec, folder=zoo_file.parent).test
        except DataError as error:
            sheets[name] = Sheet(dataset=name, indices=indices, absence=str(error))
            continue
        chosen = test[torch.tensor(indices, dtype=torch.long)]
        height, width = chosen.pixels.shape[2:]
        sheet = Sheet(
            dataset=name,
            indices=indices,
            labels=chosen.labels.tolist(),
            size=(width, height),
        )
        write_atomically(target / sheet.file, draw_sheet(chosen))
        sheets[name] = sheet
    return sheets


def draw_sheet(images: Images) -> bytes:
    """The images in rows of `COLUMNS`, as a PNG; one channel is grey, three are colours."""
    count, channels, height, width = images.pixels.shape
    rows = max(1, -(-count // COLUMNS))
    mode = "RGB" if channels == 3 else "L"
    picture = Image.new(mode, (COLUMNS * width, rows * height))
    for position, pixels in enumerate(images.pixels):
        row, column = divmod(position, COLUMNS)
        shown = pixels.permute(1, 2, 0) if channels == 3 else pixels[0]
        picture.paste(Image.fromarray(shown.numpy()), (column * width, row * height))
    content = io.BytesIO()
    picture.save(content, format="PNG", optimize=True)
    return content.getvalue()
