"""The same drawing gives the same 28x28 pixels in the page as in predict.py, within a grey level.

Node runs the page's modules.
"""

import struct
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from drawn_pictures import SAMPLES, drawings
from hypothesis import HealthCheck, event, given, settings
from PIL import Image

from utils.picture import PictureError, read_picture

PORT = Path(__file__).with_name("port.mjs")
SIZE = 28 * 28
Reader = Callable[[Image.Image], np.ndarray | None]


@pytest.fixture(scope="module")
def read_in_page(node: str) -> Iterator[Reader]:
    """What docs/assets/draw/picture.js makes of a picture: uint8 (28, 28), or None for a blank."""
    with subprocess.Popen([node, PORT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:

        def read(picture: Image.Image) -> np.ndarray | None:
            process.stdin.write(struct.pack("<II", *picture.size))
            process.stdin.write(picture.convert("RGBA").tobytes())
            process.stdin.flush()
            if process.stdout.read(1) != b"\1":
                return None
            return np.frombuffer(process.stdout.read(SIZE), np.uint8).reshape(28, 28)

        yield read
        process.stdin.close()


@pytest.fixture(scope="module")
def read_in_python(tmp_path_factory) -> Reader:
    """What predict.py makes of a picture: uint8 (28, 28), or None for a blank."""
    path = tmp_path_factory.mktemp("pictures") / "picture.png"

    def read(picture: Image.Image) -> np.ndarray | None:
        picture.save(path, compress_level=1)
        try:
            return read_picture(path)[0].numpy()
        except PictureError as error:
            if "is blank" in str(error):
                return None
            raise

    return read


def difference(first: np.ndarray | None, second: np.ndarray | None) -> int:
    """The greatest difference of two images; 256 where only one of them is blank."""
    if first is None or second is None:
        return 0 if first is second else 256
    return int(np.abs(first.astype(int) - second).max())


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(picture=drawings())
def test_a_drawing_gives_the_same_pixels_in_both(picture, read_in_page, read_in_python):
    expected = read_in_python(picture)
    event("blank" if expected is None else "inked")
    assert difference(read_in_page(picture), expected) <= 1


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_gives_the_same_pixels_in_both(path, read_in_page, read_in_python):
    with Image.open(path) as picture:
        assert difference(read_in_page(picture), read_in_python(picture)) <= 1


@pytest.mark.parametrize("invert", [False, True], ids=["dark on light", "light on dark"])
@pytest.mark.parametrize("side", [28, 30, 100, 224, 225, 500])
def test_an_image_of_mnist_gives_the_same_pixels_in_both(
    side, invert, sample, read_in_page, read_in_python
):
    for image in sample.test.pixels[::200, 0].numpy():
        picture = Image.fromarray(255 - image if invert else image).resize((side, side))
        expected = read_in_python(picture)
        assert expected is not None
        assert difference(read_in_page(picture), expected) <= 1
