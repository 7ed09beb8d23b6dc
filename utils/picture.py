"""Turns a picture file of one digit into an image like MNIST's.

The image is uint8 (1, 28, 28), ink 255 on 0, in a box of 20x20, with its centre of mass in the
middle.

The border of the picture shows the paper. A plane is fitted to the border's brightness, so light
that falls from one side is not taken for ink. Ink is what differs most from that plane, darker or
lighter. Differences as small as the border's noise are not ink, and neither are specks.

docs/assets/draw/picture.js takes the same steps in a browser. Brightness is rounded to a fine grid
and sums are of such values or of integers, so a comparison comes out the same in both, whatever
the order in which they add.
"""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from torchbudget.errors import TorchBudgetError, UsageError
from torchbudget.reading import reading

if TYPE_CHECKING:
    import torch
    from PIL import Image

SUFFIXES = {".png", ".jpg", ".jpeg"}
BOX = 20
SIDE = 28
WORKING = 224
"""A larger picture is first reduced to this many pixels on its longer side."""
GRID = 1024
"""Steps of brightness between two grey levels, to which differences from the paper are rounded."""
CONTRAST = 16
"""The least difference between ink and paper, of 255."""
TOUCHING = np.ones((3, 3), bool)
FAINT = 0.2
"""The least darkness of ink, as a share of the darkest ink."""
SPECK = 0.03
"""The least area of a piece of ink, as a share of the largest piece."""
OTHER_SUBJECTS = {"fashionmnist": "clothes", "kmnist": "Japanese characters"}
"""What data sets show that have the form of MNIST's images and are no digits."""


class SubjectError(UsageError, ValueError):
    """A network of other things than digits."""


class PictureError(TorchBudgetError, ValueError):
    """A picture that cannot be read or shows nothing; the message names the file."""


def check_digits(name: str, dataset: str) -> None:
    """Raises `SubjectError` where the network `name` was trained to tell other things apart."""
    if dataset in OTHER_SUBJECTS:
        raise SubjectError(
            f"{name} tells {OTHER_SUBJECTS[dataset]} apart ({dataset}), and a picture is read as "
            "one of a digit: choose an entry that was trained on digits"
        )


def find_pictures(path: Path) -> list[Path]:
    """The PNG and JPEG files directly in a folder, by name, or the file itself.

    Raises `PictureError`.
    """
    with reading(path, PictureError, "cannot be read"):
        if not path.is_dir():
            return [path]
        pictures = [file for file in path.iterdir() if file.suffix.lower() in SUFFIXES]
        files = sorted(file for file in pictures if file.is_file())
    if not files:
        raise PictureError(f"{path} is a folder without PNG or JPEG files")
    return files


def read_pixels(path: Path) -> np.ndarray:
    """The digit on the picture at `path`, uint8 (1, 28, 28); raises `PictureError`."""
    with reading(path, PictureError, "cannot be read"):
        return _frame_ink(read_grey(path), str(path))


def read_picture(path: Path) -> "torch.Tensor":
    """`read_pixels` as a tensor."""
    import torch

    return torch.from_numpy(read_pixels(path))


def frame_picture(picture: "Image.Image") -> "torch.Tensor":
    """The digit on a picture of Pillow's, uint8 (1, 28, 28); raises `PictureError`."""
    import torch
    from PIL import ImageOps

    grey = _reduce(_to_grey(ImageOps.exif_transpose(picture)))
    return torch.from_numpy(_frame_ink(grey, "the picture"))


def _frame_ink(grey: np.ndarray, name: str) -> np.ndarray:
    ink = find_ink(grey)
    if ink is None:
        raise PictureError(f"{name} is blank: nothing on it stands out from its border")
    return frame(ink)[None]


def read_grey(path: Path) -> np.ndarray:
    """The picture in grey, float32 (H, W) in 0..255, at most `WORKING` pixels a side.

    Transparent pixels become white. Raises `PictureError`.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    with reading(path, PictureError, "cannot be read"):
        warnings.simplefilter("error")  # what Pillow warns of, such as a bomb, is refused
        try:
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                grey = _to_grey(ImageOps.exif_transpose(image))
        except UnidentifiedImageError as error:
            raise PictureError(f"{path} is no PNG or JPEG picture") from error
        return _reduce(grey)


def _reduce(grey: "Image.Image") -> np.ndarray:
    """A picture in mode "F" as an array of at most `WORKING` pixels a side."""
    from PIL import Image

    grey.thumbnail((WORKING, WORKING), Image.Resampling.BOX, reducing_gap=None)
    return np.asarray(grey)


def _to_grey(image: "Image.Image") -> "Image.Image":
    """The picture in mode "F", 0..255."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray(np.asarray(image, np.float32) / 257)  # 16 bits
    if not image.has_transparency_data:
        return image.convert("L").convert("F")
    layers = image.convert("RGBA")
    white = Image.new("RGBA", layers.size, "white")
    grey = Image.alpha_composite(white, layers).convert("L")
    lowest, highest = grey.getextrema()
    if lowest == highest:
        grey = layers.getchannel("A")  # white ink: only the transparency shows it
    return grey.convert("F")


def find_ink(grey: np.ndarray) -> np.ndarray | None:
    """The ink, float32 (H, W) in 0..1, 0 on paper; None if nothing stands out."""
    from scipy import ndimage

    away = _on_grid(grey - _paper(grey))
    smooth = ndimage.convolve(away, np.ones((3, 3)), mode="nearest")
    if -smooth.min() > smooth.max():
        away = -away  # the ink is darker than the paper
    noise = 1.4826 * np.median(np.abs(_border(away)))
    peak = np.percentile(away[away >= 0.5 * away.max()], 75)
    if peak < max(CONTRAST, 6 * noise):
        return None
    ink = np.clip(away / peak, 0, 1)
    return ink * _without_specks(ink > max(FAINT, 4 * noise / peak))


def _on_grid(values: np.ndarray) -> np.ndarray:
    """The values rounded to multiples of 1 / `GRID`, halves upwards."""
    return np.floor(values * GRID + 0.5) / GRID


def _border(values: np.ndarray) -> np.ndarray:
    """The pixels of the frame of (H, W), a twentieth of each side wide, as one row."""
    wide = [max(1, side // 20) for side in values.shape]
    inside = np.zeros(values.shape, bool)
    inside[wide[0] : -wide[0], wide[1] : -wide[1]] = True
    return values[~inside]


def _paper(grey: np.ndarray) -> np.ndarray:
    """(H, W): the plane through the brightness of the border, without what crosses the border."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in grey.shape), indexing="ij")
    values = _border(grey)
    points = np.stack([np.ones_like(values), _border(rows), _border(columns)], 1)
    plane = np.array([np.median(values), 0, 0])
    for _ in range(4):
        off = np.abs(_on_grid(values - points @ plane))
        kept = off <= 3 * np.median(off) + 1
        plane = np.linalg.lstsq(points[kept], values[kept])[0]
    return plane[0] + plane[1] * rows + plane[2] * columns


def _without_specks(marked: np.ndarray) -> np.ndarray:
    """bool (H, W): the pieces that are not small beside the largest, each one pixel wider."""
    from scipy import ndimage

    pieces, _ = ndimage.label(marked, TOUCHING)
    sizes = np.bincount(pieces.flat)
    sizes[0] = 0
    return ndimage.binary_dilation((sizes >= SPECK * sizes.max())[pieces] & marked, TOUCHING)


def frame(ink: np.ndarray) -> np.ndarray:
    """uint8 (28, 28) of float (H, W) in 0..1.

    The inked part fills a box of 20. Its centre of mass is moved to the middle, as far as the part
    stays inside.
    """
    from PIL import Image

    rows = np.flatnonzero((ink > FAINT).any(1))
    columns = np.flatnonzero((ink > FAINT).any(0))
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    longer = max(cropped.shape)
    height, width = (max(1, round(side * BOX / longer)) for side in cropped.shape)
    method = Image.Resampling.BOX if longer > BOX else Image.Resampling.BILINEAR
    digit = np.asarray(Image.fromarray(cropped).resize((width, height), method))
    digit = (digit * 255).round().clip(0, 255).astype(np.uint8)
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    down = _corner(digit.sum(1, dtype=np.int64))
    across = _corner(digit.sum(0, dtype=np.int64))
    canvas[down : down + height, across : across + width] = digit
    return canvas


def _corner(mass: np.ndarray) -> int:
    """Where a profile of mass begins on a side of 28 if its centre lies in the middle."""
    centre = (mass * np.arange(len(mass))).sum() / mass.sum()
    return int(np.clip(round(SIDE / 2 - centre), 0, SIDE - len(mass)))
