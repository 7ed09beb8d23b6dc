"""What moves pixels: within its bounds, and as torchvision moves them."""

import math

import pytest
import torch
import torch.nn.functional as F
import torchvision.transforms.functional as tv

from torchbudget.data.images import ImageSpec, as_floats
from utils.augmentations import Affine, Augmentation, Elastic, Erase
from utils.geometry import crop_windows, draw_uniform


@pytest.fixture(scope="module")
def digits(sample) -> torch.Tensor:
    """(300, 1, 28, 28) real digits in [0, 1]."""
    return as_floats(sample.test.pixels[:300])


def apply(op: Augmentation, images: torch.Tensor, seed: int = 0) -> torch.Tensor:
    labels = torch.arange(len(images)) % 10
    return op.apply(images, labels, torch.Generator().manual_seed(seed))


SQUARE, PLACE = F.pad(torch.ones(1, 1, 6, 6), [11] * 4), torch.arange(28.0) - 13.5


def drift(images: torch.Tensor) -> torch.Tensor:
    """How far (N, 2) the centre of mass lies from the middle, in pixels."""
    return (
        torch.stack([(images.sum((1, 3)) * PLACE).sum(1), (images.sum((1, 2)) * PLACE).sum(1)], 1)
        / images.sum((1, 2, 3))[:, None]
    )


def test_translation_moves_the_centre_of_mass_within_its_bound_and_the_rest_keeps_it():
    moved = drift(apply(Affine(translate=0.2), SQUARE.repeat(500, 1, 1, 1)))
    assert 5 < moved.abs().max() <= 0.2 * 28 + 1e-3
    assert (
        (moved.amax(0) > 5).all() and (moved.amin(0) < -5).all() and moved.mean(0).abs().max() < 0.5
    )
    assert (
        drift(apply(Affine(rotate=90, scale=0.5, shear=40), SQUARE.repeat(500, 1, 1, 1)))
        .abs()
        .max()
        < 0.01
    )
    sizes = (
        apply(Affine(rotate=90, scale=0.5), SQUARE.repeat(2_000, 1, 1, 1)).sum((1, 2, 3)) / 36
    ).sqrt()
    assert (
        sizes.min() > 0.45 and sizes.max() < 1.55 and abs(sizes.std() - 1 / 12**0.5) < 0.02
    )  # uniform, however turned


AT_STRENGTH = {
    "rotate": (Affine(rotate=30), lambda strength: {"angle": 30 * strength}),
    "scale": (Affine(scale=0.3), lambda strength: {"scale": 1 + 0.3 * strength}),
    "shear": (Affine(shear=20), lambda strength: {"shear": [20 * strength, 0.0]}),
}


@pytest.mark.parametrize("name", AT_STRENGTH)
def test_an_affine_image_is_torchvisions_at_a_strength_drawn_from_the_whole_bound(name, digits):
    op, settings = AT_STRENGTH[name]
    still = {
        "angle": 0,
        "translate": [0, 0],
        "scale": 1,
        "shear": [0.0, 0.0],
        "interpolation": tv.InterpolationMode.BILINEAR,
    }
    references = torch.cat(
        [tv.affine(digits[0], **still | settings(step / 60)) for step in range(-60, 61)]
    )  # (121, 28, 28)
    distances = (
        (apply(op, digits[:1].repeat(300, 1, 1, 1))[:, 0] - references[:, None]).abs().mean((2, 3))
    )  # (121, 300)
    nearest = distances.argmin(0)
    assert distances.amin(0).max() < 0.005 and nearest.min() < 12 and nearest.max() > 108


@pytest.mark.parametrize(("alpha", "sigma", "size"), [(40, 4.0, 33), (200, 6.0, 49), (15, 1.7, 15)])
def test_an_elastic_image_is_torchvisions_for_the_same_noise(alpha, sigma, size, digits):
    noise = torch.rand(300, 2, 28, 28, generator=torch.Generator().manual_seed(3)) * 2 - 1
    moves = (
        tv.gaussian_blur(noise, [size, size], [sigma, sigma]) * alpha / 28
    )  # as `ElasticTransform.make_params`
    expected = torch.cat(
        [
            tv.elastic_transform(image[None], move[None])
            for image, move in zip(digits, moves.permute(0, 2, 3, 1), strict=True)
        ]
    )
    torch.testing.assert_close(
        apply(Elastic(alpha=alpha, sigma=sigma), digits, seed=3), expected, rtol=0, atol=1e-4
    )


# --- any number of channels, with torchvision as the oracle for a fixed draw ---------------------


@pytest.fixture(scope="module", params=[1, 3])
def images(request, sample) -> torch.Tensor:
    """(60, C, 28, 24): real digits, other ones in each channel, not square."""
    digits = as_floats(sample.test.pixels[: 60 * request.param, :, :, 2:26])
    return digits.view(60, request.param, 28, 24)


def test_a_rotation_is_torchvisions_by_the_same_angle_on_any_channels(images):
    bound = math.radians(25)
    draws = draw_uniform(images, torch.Generator().manual_seed(5), -bound, bound)
    angles = torch.rad2deg(draws)
    square = images[:, :, 2:26]
    expected_square = torch.stack(
        [
            tv.rotate(image, float(angle), interpolation=tv.InterpolationMode.BILINEAR)
            for image, angle in zip(square, angles, strict=True)
        ]
    )
    torch.testing.assert_close(
        apply(Affine(rotate=25), square, seed=5), expected_square, rtol=0, atol=1e-4
    )


def test_an_elastic_image_is_torchvisions_on_any_channels(images):
    noise = torch.rand(60, 2, 28, 24, generator=torch.Generator().manual_seed(3)) * 2 - 1
    sides = torch.tensor([24, 28]).view(2, 1, 1)
    moves = tv.gaussian_blur(noise, [33, 33], [4.0, 4.0]) * 40 / sides
    expected = torch.cat(
        [
            tv.elastic_transform(image[None], move[None])
            for image, move in zip(images, moves.permute(0, 2, 3, 1), strict=True)
        ]
    )
    augmented = apply(Elastic(alpha=40), images, seed=3)
    torch.testing.assert_close(augmented, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("value", [0.5, None, "by channel"])
def test_an_erased_box_is_filled_as_torchvision_fills_it(value, images):
    channels = images.shape[1]
    mean = tuple(0.2 + 0.1 * channel for channel in range(channels))
    form = ImageSpec(shape=(channels, 28, 24), num_classes=10, mean=mean, std=(1.0,) * channels)
    fill = mean if value == "by channel" else value
    augmented = apply(Erase(p=1, value=fill).fit(form), images, seed=1)
    box = apply(Erase(p=1, value=1.0), torch.zeros_like(images), seed=1)[:, 0] == 1
    colour = torch.tensor(mean if value != 0.5 else [0.5]).view(-1, 1, 1)
    for image, mask, after in zip(images, box, augmented, strict=True):
        rows, columns = mask.nonzero(as_tuple=True)
        top, left = int(rows.min()), int(columns.min())
        height, width = int(rows.max()) + 1 - top, int(columns.max()) + 1 - left
        filling = colour.expand(channels, height, width)
        assert torch.equal(after, tv.erase(image, top, left, height, width, filling))


def test_a_window_is_torchvisions_crop_on_any_channels(images):
    top, left = torch.arange(60) % 9, torch.arange(60) % 7
    windows = crop_windows(images, top, left, (20, 17))
    for image, y, x, window in zip(images, top, left, windows, strict=True):
        assert torch.equal(window, tv.crop(image, int(y), int(x), 20, 17))
