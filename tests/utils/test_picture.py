"""Pictures of a digit, of any size, polarity, place, light and format, become like MNIST's."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from torchbudget.declare.zoofile import load_zoo
from utils.picture import PictureError, find_pictures, read_picture
from utils.runs import find_image

SIZE = 300


@pytest.fixture(scope="module")
def digits(sample) -> torch.Tensor:
    """Ten test images of each digit, uint8 (100, 1, 28, 28)."""
    return torch.cat([sample.test.pixels[sample.test.labels == digit][:10] for digit in range(10)])


@pytest.fixture(scope="module")
def read_digits(zoo_file):
    """What the shipped `slim` takes images for."""
    from torchbudget.evidence.measure import infer
    from torchbudget.evidence.weights import load_shipped

    entry = load_zoo(zoo_file)["slim"]
    network = load_shipped(entry, 0, zoo_file.parent / "weights")
    return lambda pixels: infer(network, pixels, find_image(entry)).argmax(1)


def place(digit: torch.Tensor, random: np.random.Generator) -> np.ndarray:
    """The digit as ink (300, 300) in 0..1, 90 to 220 pixels large, anywhere."""
    side = int(random.integers(90, 220))
    top, left = random.integers(0, SIZE - side, 2)
    ink = np.zeros((SIZE, SIZE))
    ink[top : top + side, left : left + side] = (
        np.asarray(Image.fromarray(digit[0].numpy()).resize((side, side), Image.Resampling.BICUBIC))
        / 255
    )
    return ink


def photograph(ink: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Ink on paper as a camera sees it: (300, 300) in 0..255.

    The light comes from one side, the corners are darker, and there are blur and noise.
    """
    down, right = np.mgrid[-0.5 : 0.5 : SIZE * 1j, -0.5 : 0.5 : SIZE * 1j]
    angle = random.uniform(0, 2 * np.pi)
    paper = 190 + 70 * (np.cos(angle) * right + np.sin(angle) * down) - 40 * (right**2 + down**2)
    sharp = Image.fromarray((paper * (1 - 0.75 * ink)).clip(0, 255).astype(np.uint8))
    return (
        np.asarray(sharp.filter(ImageFilter.GaussianBlur(1)), float)
        + random.normal(0, 8, ink.shape)
    ).clip(0, 255)


def as_bytes(values: np.ndarray) -> np.ndarray:
    return values.round().astype(np.uint8)


def layered(ink: np.ndarray, colour: tuple[int, int, int]) -> Image.Image:
    return Image.fromarray(
        np.dstack([*(np.full(ink.shape, part, np.uint8) for part in colour), as_bytes(ink * 255)])
    )


def tinted(grey: np.ndarray) -> Image.Image:
    return Image.fromarray(np.stack([grey, 0.97 * grey, 0.85 * grey], 2).astype(np.uint8))


KINDS = {
    "light on dark": (".png", lambda ink, random: Image.fromarray(as_bytes(ink * 255))),
    "dark on light": (".png", lambda ink, random: Image.fromarray(as_bytes(255 - ink * 255))),
    "blue on nothing": (".png", lambda ink, random: layered(ink, (0, 0, 160))),
    "white on nothing": (".png", lambda ink, random: layered(ink, (255, 255, 255))),
    "a photograph": (".png", lambda ink, random: tinted(photograph(ink, random))),
    "a negative": (".png", lambda ink, random: tinted(255 - photograph(ink, random))),
    "a JPEG": (".jpg", lambda ink, random: tinted(photograph(ink, random))),
    "a palette": (".png", lambda ink, random: tinted(photograph(ink, random)).convert("P")),
    "16 bits": (
        ".png",
        lambda ink, random: Image.fromarray((photograph(ink, random) * 257).astype(np.uint16)),
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_98_of_100_pictures_get_the_digit_that_the_original_gets(
    kind, digits, read_digits, tmp_path
):
    (suffix, draw), random, path = KINDS[kind], np.random.default_rng(0), tmp_path / "picture"
    pictures = []
    for digit in digits:
        draw(place(digit, random), random).save(
            path.with_suffix(suffix),
            **({"quality": 50} if suffix == ".jpg" else {"compress_level": 1}),
        )
        pictures.append(read_picture(path.with_suffix(suffix)))
    assert (read_digits(torch.stack(pictures)) == read_digits(digits)).sum() >= 98


def test_an_image_of_mnist_comes_out_as_it_was(digits, tmp_path):
    found = []
    for digit in digits:
        Image.fromarray(digit[0].numpy()).save(tmp_path / "digit.png")
        found.append(read_picture(tmp_path / "digit.png"))
    off = (torch.stack(found).float() - digits.float()).abs()
    assert off.mean() < 1 and (off.amax((1, 2, 3)) < 64).sum() >= 95


def test_a_digit_fills_the_box_and_its_mass_is_in_the_middle(digits, tmp_path):
    random = np.random.default_rng(1)
    for digit in digits[::10]:
        Image.fromarray(as_bytes(255 - 200 * place(digit, random))).resize((500, 250)).save(
            tmp_path / "digit.png"
        )
        pixels = read_picture(tmp_path / "digit.png")[0].double()
        assert (
            pixels.shape == (28, 28)
            and max(len(pixels.sum(axis).nonzero()) for axis in (0, 1)) == 20
        )
        rows = (pixels.sum(1) @ torch.arange(28.0).double()) / pixels.sum()
        columns = (pixels.sum(0) @ torch.arange(28.0).double()) / pixels.sum()
        assert abs(rows - 14) <= 0.51 and abs(columns - 14) <= 0.51


def test_a_picture_that_was_turned_when_taken_is_turned_back(digits, tmp_path):
    upright = Image.fromarray(as_bytes(255 - 200 * place(digits[45], np.random.default_rng(2))))
    upright.save(tmp_path / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to view"
    upright.rotate(90).save(tmp_path / "turned.png", exif=exif)
    assert torch.equal(
        read_picture(tmp_path / "turned.png"), read_picture(tmp_path / "upright.png")
    )


def test_dust_and_pen_dots_do_not_move_the_digit(digits, tmp_path):
    ink = place(digits[35], np.random.default_rng(3))
    Image.fromarray(as_bytes(255 - 200 * ink)).save(tmp_path / "clean.png")
    for top, left in ((2, 2), (290, 150), (150, 295)):
        ink[top : top + 3, left : left + 3] = 1
    Image.fromarray(as_bytes(255 - 200 * ink)).save(tmp_path / "dusty.png")
    assert torch.equal(read_picture(tmp_path / "dusty.png"), read_picture(tmp_path / "clean.png"))


# --- what is no picture of a digit ----------------------------------------------------------------


def png(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


def noise() -> Image.Image:
    return Image.fromarray(
        np.random.default_rng(0).normal(128, 10, (100, 100)).clip(0, 255).astype(np.uint8)
    )


BAD = {
    "white": (lambda: png(Image.new("L", (50, 50), 255)), "is blank"),
    "grey": (lambda: png(Image.new("RGB", (9, 70), "grey")), "is blank"),
    "one pixel": (lambda: png(Image.new("L", (1, 1))), "is blank"),
    "transparent": (lambda: png(Image.new("RGBA", (50, 50), (0, 0, 0, 0))), "is blank"),
    "noise": (lambda: png(noise()), "is blank"),
    "nothing": (lambda: b"", "is no PNG or JPEG picture"),
    "a page": (lambda: b"<html>404 Not Found</html>", "is no PNG or JPEG picture"),
    "half a file": (
        lambda: (lambda whole: whole[: len(whole) // 2])(png(noise())),
        "cannot be read: ",
    ),
    "a bomb": (lambda: png(Image.new("1", (10_000, 10_000))), "cannot be read: Image size"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_picture_that_shows_nothing_is_named_in_one_line(kind, tmp_path):
    make, reason = BAD[kind]
    (tmp_path / "bad.png").write_bytes(make())
    with pytest.raises(PictureError) as caught:
        read_picture(tmp_path / "bad.png")
    assert str(caught.value).startswith(f"{tmp_path / 'bad.png'} {reason}") and "\n" not in str(
        caught.value
    )


def test_a_folder_is_its_pictures_by_name(tmp_path):
    with pytest.raises(PictureError, match="is a folder without PNG or JPEG files"):
        find_pictures(tmp_path)
    for name in ("b.PNG", "a.jpeg", "notes.txt", "c.jpg"):
        (tmp_path / name).touch()
    (tmp_path / "d.png").mkdir()
    assert [path.name for path in find_pictures(tmp_path)] == ["a.jpeg", "b.PNG", "c.jpg"]
    assert find_pictures(Path("nowhere.png")) == [Path("nowhere.png")]
