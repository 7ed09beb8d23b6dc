"""A picture file of one digit, as MNIST would have had it: uint8 (1, 28, 28), ink 255 on 0, in a 20x20 box, centre of mass in the middle.

The paper is what the border shows: a plane is fitted to its brightness, so that light falling from one side does not count as ink, and the
ink is whatever differs from it most, be it darker or lighter. What the noise of the border explains is no ink, nor are specks.
"""

import warnings
from pathlib import Path

import numpy as np
import torch

SUFFIXES = {".png", ".jpg", ".jpeg"}
BOX, SIDE = 20, 28
WORKING = 224
"""Pixels of the longer side that a larger picture is reduced to first."""
CONTRAST = 16
"""Least difference, of 255, between ink and paper."""
TOUCHING = np.ones((3, 3), bool)
FAINT, SPECK = 0.2, 0.03
"""Of the darkest ink what counts as ink; of the largest piece of ink what counts as a piece."""


class PictureError(ValueError):
    """A picture that cannot be read, or that shows nothing; the message names the file."""


def find_pictures(path: Path) -> list[Path]:
    """The PNG and JPEG files directly in a folder, by name, or the file itself; raises `PictureError`."""
    if not path.is_dir():
        return [path]
    found = sorted(
        each for each in path.iterdir() if each.suffix.lower() in SUFFIXES and each.is_file()
    )
    if not found:
        raise PictureError(f"{path} is a folder without PNG or JPEG files")
    return found


def read_picture(path: Path) -> torch.Tensor:
    """uint8 (1, 28, 28) of the digit on the picture at `path`; raises `PictureError`."""
    grey = read_grey(path)
    ink = find_ink(grey)
    if ink is None:
        raise PictureError(f"{path} is blank: nothing on it stands out from its border")
    return frame(ink).unsqueeze(0)


def read_grey(path: Path) -> np.ndarray:
    """float32 (H, W) in 0..255, at most `WORKING` a side, what is transparent composed on white; raises `PictureError`."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                grey = _to_grey(ImageOps.exif_transpose(image))
        grey.thumbnail((WORKING, WORKING), Image.Resampling.BOX)
        return np.asarray(grey)
    except UnidentifiedImageError as error:
        raise PictureError(f"{path} is no PNG or JPEG picture") from error
    except (OSError, SyntaxError, ValueError, Warning, Image.DecompressionBombError) as error:
        reason = (
            error.strerror
            if isinstance(error, OSError) and error.strerror
            else str(error).splitlines()[0]
        )
        raise PictureError(f"{path} cannot be read: {reason}") from error


def _to_grey(image: "Image.Image") -> "Image.Image":  # noqa: F821
    """Of mode "F", 0..255."""
    from PIL import Image

    if image.mode.startswith("I"):
        return Image.fromarray(np.asarray(image, np.float32) / 257)  # 16 bits
    if not image.has_transparency_data:
        return image.convert("L").convert("F")
    layers = image.convert("RGBA")
    white = Image.new("RGBA", layers.size, "white")
    grey = Image.alpha_composite(white, layers).convert("L")
    return (grey if len(set(grey.getextrema())) > 1 else layers.getchannel("A")).convert(
        "F"
    )  # white ink shows by where it is


def find_ink(grey: np.ndarray) -> np.ndarray | None:
    """float32 (H, W) in 0..1, 0 where there is paper; None where nothing stands out."""
    from scipy import ndimage

    away = grey - _paper(grey)
    smooth = ndimage.uniform_filter(away, 3, mode="nearest")
    away = -away if -smooth.min() > smooth.max() else away
    noise = 1.4826 * np.median(np.abs(_border(away)))
    peak = np.percentile(away[away >= 0.5 * away.max()], 75)
    if peak < max(CONTRAST, 6 * noise):
        return None
    ink = np.clip(away / peak, 0, 1)
    return ink * _without_specks(ink > max(FAINT, 4 * noise / peak))


def _border(values: np.ndarray) -> np.ndarray:
    """The frame of (H, W), a twentieth of each side wide, flat."""
    wide = [max(1, side // 20) for side in values.shape]
    inside = np.zeros(values.shape, bool)
    inside[wide[0] : -wide[0], wide[1] : -wide[1]] = True
    return values[~inside]


def _paper(grey: np.ndarray) -> np.ndarray:
    """(H, W): the plane through the brightness of the border, what crosses the border left aside."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, side) for side in grey.shape), indexing="ij")
    values, places = (
        _border(grey),
        np.stack([np.ones_like(_border(rows)), _border(rows), _border(columns)], 1),
    )
    plane = np.array([np.median(values), 0, 0])
    for _ in range(4):
        off = np.abs(values - places @ plane)
        kept = off <= 3 * np.median(off) + 1
        plane = np.linalg.lstsq(places[kept], values[kept])[0]
    return plane[0] + plane[1] * rows + plane[2] * columns


def _without_specks(marked: np.ndarray) -> np.ndarray:
    """bool (H, W): the pieces of bool (H, W) that are not small beside the largest, a pixel wider."""
    from scipy import ndimage

    pieces, _ = ndimage.label(marked, TOUCHING)
    sizes = np.bincount(pieces.flat)
    sizes[0] = 0
    return ndimage.binary_dilation((sizes >= SPECK * sizes.max())[pieces] & marked, TOUCHING)


def frame(ink: np.ndarray) -> torch.Tensor:
    """uint8 (28, 28) of float (H, W) in 0..1: what is inked fills a box of 20, its centre of mass goes to the middle, as far as it stays whole."""
    from PIL import Image

    (top, bottom), (left, right) = (
        (inked[0], inked[-1] + 1)
        for inked in (np.flatnonzero((ink > FAINT).any(axis)) for axis in (1, 0))
    )
    cropped = ink[top:bottom, left:right].astype(np.float32)
    height, width = (max(1, round(side * BOX / max(cropped.shape))) for side in cropped.shape)
    digit = np.asarray(
        Image.fromarray(cropped).resize(
            (width, height),
            Image.Resampling.BOX if max(cropped.shape) > BOX else Image.Resampling.BILINEAR,
        )
    )
    canvas = np.zeros((SIDE, SIDE), np.float32)
    down, across = _corner(digit.sum(1)), _corner(digit.sum(0))
    canvas[down : down + height, across : across + width] = digit
    return torch.from_numpy((canvas * 255).round().clip(0, 255).astype(np.uint8))


def _corner(mass: np.ndarray) -> int:
    """Where along a side of 28 a profile of mass begins when its centre lies in the middle."""
    centre = (mass * np.arange(len(mass))).sum() / mass.sum()
    return int(np.clip(round(SIDE / 2 - centre), 0, SIDE - len(mass)))
