"""Test-time augmentation: what a view shows, and that a prediction is the mean over views."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model import Slim
from torchbudget.data.images import as_floats
from torchbudget.data.mnist import IMAGE
from torchbudget.declare.views import View, transform
from torchbudget.errors import DeclarationError
from torchbudget.evidence.measure import infer, infer_views, measure

MOVES = st.integers(-5, 5)


@given(MOVES, MOVES)
def test_a_move_by_whole_pixels_moves_every_pixel(right, down):
    images = torch.zeros(1, 1, 28, 28)
    images[0, 0, 10:18, 9:20] = torch.rand(8, 11)
    moved = transform(View(right=right, down=down), images)
    torch.testing.assert_close(moved, images.roll((down, right), (2, 3)), atol=1e-4, rtol=0)


def test_a_flip_comes_before_the_move():
    images = torch.zeros(1, 1, 28, 28)
    images[0, 0, 10:18, 9:20] = torch.rand(8, 11)
    assert torch.equal(transform(View(flip="horizontal"), images), images.flip(3))
    moved = transform(View(flip="vertical", right=3), images)
    torch.testing.assert_close(moved, images.flip(2).roll(3, 3), atol=1e-4, rtol=0)


@pytest.mark.parametrize("flip", ["left", "", True, 3, ["horizontal"]])
def test_a_flip_of_no_known_direction_is_refused(flip):
    with pytest.raises(DeclarationError, match="flip must be 'horizontal', 'vertical' or None"):
        View(flip=flip)


def test_what_comes_in_from_outside_is_black():
    assert transform(View(right=3), torch.ones(1, 1, 28, 28))[0, 0, :, :3].max() < 1e-5


def test_a_quarter_turn_is_counter_clockwise_and_a_scale_of_two_doubles():
    images = torch.zeros(1, 1, 28, 28)
    images[0, 0, 4:8, 12:16] = 1
    torch.testing.assert_close(
        transform(View(rotate=90), images), images.rot90(1, (2, 3)), atol=1e-4, rtol=0
    )
    square = torch.zeros(1, 1, 28, 28)
    square[0, 0, 10:18, 10:18] = 1
    assert transform(View(scale=2), square).sum() == pytest.approx(4 * 64, rel=0.05)


@pytest.fixture(scope="module")
def slim():
    torch.manual_seed(0)
    return Slim().eval()


VIEWS = (View(right=1), View(), View(rotate=5))


def test_a_prediction_is_the_mean_of_the_probabilities(slim, sample):
    pixels = sample.test.pixels[:150]
    each = infer_views(slim, pixels, IMAGE, "cpu", VIEWS)
    assert each.shape == (3, 150, 10)
    torch.testing.assert_close(
        infer(slim, pixels, IMAGE, views=VIEWS).exp(), each.softmax(2).mean(0)
    )
    torch.testing.assert_close(each[1], infer(slim, pixels, IMAGE), rtol=0, atol=0)
    torch.testing.assert_close(
        each[0],
        infer(slim, (transform(VIEWS[0], as_floats(pixels)) * 255).round().byte(), IMAGE),
        atol=2e-2,
        rtol=0,
    )


def test_one_view_of_the_image_as_it_is_changes_no_prediction(slim, sample):
    plain, viewed = measure(slim, sample.test), measure(slim, sample.test, views=(View(),))
    assert (
        plain.digest == viewed.digest
        and plain.misses_without_views is None
        and viewed.misses_without_views == plain.misses
    )


def test_misses_without_views_are_those_of_the_image_as_it_is(slim, sample):
    plain = measure(slim, sample.test)
    for views in (VIEWS, (View(right=4), View(down=4))):
        assert measure(slim, sample.test, views=views).misses_without_views == plain.misses
