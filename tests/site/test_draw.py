"""Draw a digit: what is drawn, dropped, chosen or pasted is read as predict.py reads it."""

import time

import numpy as np
import pytest
import torch
from drawing import (
    ONE,
    PASTED,
    SEVEN,
    THREE,
    draw_by_finger,
    draw_by_mouse,
    find_points,
    give_file,
    read_digit,
    read_preview,
    read_probabilities,
    save_sheet,
    wait_until_ready,
)
from drawn_pictures import SAMPLES
from PIL import Image

from torchbudget.declare.zoofile import load_zoo
from torchbudget.evidence.measure import infer
from torchbudget.evidence.weights import load_shipped
from utils.picture import read_picture
from utils.runs import find_image

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


@pytest.fixture
def page(visitor):
    page = visitor.open("draw/")
    wait_until_ready(page)
    return page


def status(page) -> str:
    return page.inner_text("#draw-status")


def difference(first: np.ndarray, second: torch.Tensor) -> int:
    return int(np.abs(first.astype(int) - second[0].numpy()).max())


# --- drawn ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("strokes", "digit"), [(THREE, "3"), (SEVEN, "7")], ids=["3", "7"])
def test_a_digit_drawn_by_mouse_is_read_by_slim_within_a_second(strokes, digit, page, tmp_path):
    draw_by_mouse(page, strokes)
    began = time.perf_counter()
    assert read_digit(page) == digit
    assert time.perf_counter() - began < 1
    expected = read_picture(save_sheet(page, tmp_path / "sheet.png"))
    assert difference(read_preview(page), expected) <= 1


def test_a_digit_drawn_by_finger_is_read_and_the_page_stays_in_place(visitor):
    page = visitor.open("draw/", **PHONE)
    wait_until_ready(page)
    find_points(page, ONE[0])
    before = page.evaluate("() => scrollY")
    draw_by_finger(page, ONE)
    assert read_digit(page) == "1"
    assert page.evaluate("() => scrollY") == before


def test_a_step_is_undone_and_the_sheet_is_cleared(page):
    assert page.is_disabled("#draw-undo") and page.is_disabled("#draw-clear")
    draw_by_mouse(page, SEVEN)
    seven = read_preview(page)
    draw_by_mouse(page, ONE)
    assert (read_preview(page) != seven).any()
    page.click("#draw-undo")
    assert (read_preview(page) == seven).all() and read_digit(page) == "7"
    page.click("#draw-clear")
    assert not read_preview(page).any() and status(page) == ""
    assert page.locator(".draw-answered").count() == 0
    page.click("#draw-undo")
    assert read_digit(page) == "7"


def test_each_example_is_read_as_the_digit_that_it_is(page):
    digits = []
    for _ in range(10):
        page.focus("#draw-example")
        page.keyboard.press("Enter")
        digits.append(read_digit(page))
    assert digits == list("3702461589")


# --- files ----------------------------------------------------------------------------------------


def test_a_photograph_that_is_dropped_gives_the_pixels_that_predict_makes_of_it(page):
    for path, digit in zip(SAMPLES, "7532", strict=True):
        give_file(page, path)
        assert read_digit(page) == digit
        assert difference(read_preview(page), read_picture(path)) <= 1
        page.click("#draw-clear")


def test_a_picture_is_chosen_by_keyboard(page):
    page.focus("#draw-choose")
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(SAMPLES[2])
    assert read_digit(page) == "3"


def test_a_jpeg_that_the_camera_turned_is_pasted_and_turned_back(page, tmp_path):
    path = tmp_path / "three.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees to view"
    with Image.open(SAMPLES[2]) as picture:
        turned = picture.resize((1000, 800)).transpose(Image.Transpose.ROTATE_90)
        turned.save(path, quality=80, exif=exif)
    give_file(page, path, PASTED)
    assert read_digit(page) == "3"
    assert difference(read_preview(page), read_picture(path)) <= 1


@pytest.mark.parametrize("colour", [(0, 0, 160), (255, 255, 255)], ids=["blue", "white"])
def test_ink_on_a_transparent_picture_is_read(colour, page, tmp_path):
    path = tmp_path / "two.png"
    with Image.open(SAMPLES[3]) as picture:
        ink = Image.eval(picture, lambda grey: max(0, 215 - grey))
        layer = Image.new("RGBA", picture.size, (*colour, 0))
        layer.putalpha(ink)
        layer.save(path)
    give_file(page, path)
    assert read_digit(page) == "2"
    assert difference(read_preview(page), read_picture(path)) <= 1


def test_what_is_no_picture_of_a_digit_is_said_in_one_line(page, tmp_path):
    files = {"text.png": b"no picture", "half.png": SAMPLES[0].read_bytes()[:600]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    Image.new("L", (40, 40), 255).save(tmp_path / "white.png")
    for name, reason in (
        ("text.png", "text.png is no PNG or JPEG picture."),
        ("half.png", "half.png cannot be read: the file is broken."),
        ("white.png", "Nothing on this picture stands out from its border."),
    ):
        give_file(page, tmp_path / name)
        page.wait_for_function(
            "reason => document.getElementById('draw-status').textContent === reason", arg=reason
        )
        assert page.locator(".draw-answered").count() == 0


# --- answers --------------------------------------------------------------------------------------


def test_every_network_gives_what_torch_gives_for_the_same_pixels(page, zoo_file):
    give_file(page, SAMPLES[0])
    answers = read_probabilities(page)
    pixels = read_picture(SAMPLES[0])[None]
    zoo = load_zoo(zoo_file)
    for name, probabilities in answers.items():
        entry = zoo[name]
        network = load_shipped(entry, 0, zoo_file.parent / "weights")
        expected = infer(network, pixels, find_image(entry), views=entry.views).softmax(1)[0]
        torch.testing.assert_close(torch.tensor(probabilities), expected, rtol=0, atol=1e-4)
    assert status(page) == f"All {len(answers)} networks say 7."


def test_every_entry_of_mnist_answers_or_is_named_as_too_large(page, zoo_file):
    rows = page.locator(".draw-answer")
    names = [row.get_attribute("data-entry") for row in rows.all()]
    left_out = page.inner_text("#draw-left-out")
    prefix = "Too large for this page: "
    assert left_out.startswith(prefix)
    names += left_out.removeprefix(prefix).removesuffix(".").split(", ")
    assert sorted(names) == sorted(
        name for name, entry in load_zoo(zoo_file).items() if entry.dataset == "mnist"
    )
    assert "mixed_ensemble" in names
