"""Augmentation: a batch at a time, each image its own draw, all of it fixed by the seed."""

import matplotlib.image
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.data.images import ImageSpec, as_floats
from torchbudget.data.mnist import IMAGE
from utils.augment import SHOWN, main, show
from utils.augmentations import (
    Affine,
    Augmentation,
    Cutout,
    Darken,
    Elastic,
    Erase,
    Flip,
    Jitter,
    PadCrop,
    Squeeze,
    Swell,
    augment_batches,
)

STRONG = (
    Affine(rotate=20, translate=0.2, scale=0.2, shear=10),
    Elastic(alpha=80),
    PadCrop(padding=4),
    Jitter(brightness=0.5, contrast=0.5),
    Cutout(size=8, p=1),
    Erase(p=1, value=0.5),
    Flip(p=0.5),
    Swell(per_class=6),
    Darken(fraction=0.3, per_class=6),
    Squeeze(per_class=6),
)
EACH = pytest.mark.parametrize("op", STRONG, ids=repr)


@pytest.fixture(scope="module")
def digits(sample) -> torch.Tensor:
    """(300, 1, 28, 28) real digits in [0, 1]."""
    return as_floats(sample.test.pixels[:300])


def apply(
    op: Augmentation, images: torch.Tensor, seed: int = 0, labels: torch.Tensor | None = None
) -> torch.Tensor:
    """`images` after `op`; where no labels are given, image i is a digit i mod 10."""
    if labels is None:
        labels = torch.arange(len(images)) % 10
    return op.apply(images, labels, torch.Generator().manual_seed(seed))


def boxes(mask: torch.Tensor) -> list[tuple[int, int, int, int]]:
    """Top, left, height and width of what is set in each (1, H, W) of `mask` that is not empty."""
    corners = [
        (rows, columns)
        for _, rows, columns in (each.nonzero(as_tuple=True) for each in mask)
        if len(rows)
    ]
    return [
        (int(y.min()), int(x.min()), int(y.max() - y.min()) + 1, int(x.max() - x.min()) + 1)
        for y, x in corners
    ]


def test_every_declared_augmentation_is_shown_and_tried_here():
    declared = set(Augmentation.__subclasses__())
    assert len(declared) == 10
    assert {type(op) for op in STRONG} == {type(op) for op in SHOWN} == declared


@EACH
def test_shape_type_and_range_stay_and_the_input_is_left_as_it_was(op, digits):
    before = digits.clone()
    after = apply(op, digits)
    assert (after.shape, after.dtype) == (digits.shape, torch.float32)
    assert after.min() >= 0 and after.max() <= 1
    assert torch.equal(digits, before) and not torch.equal(after, before)


@EACH
def test_an_augmented_batch_depends_on_nothing_but_the_seed_and_each_image_has_its_own_draw(
    op, digits
):
    torch.manual_seed(1)
    first = apply(op, digits, seed=7)
    torch.manual_seed(2)
    assert torch.equal(first, apply(op, digits, seed=7))
    assert not torch.equal(first, apply(op, digits, seed=8))
    outcomes = {after.numpy().tobytes() for after in apply(op, digits[:1].repeat(100, 1, 1, 1))}
    assert len(outcomes) == 2 if isinstance(op, Flip) else len(outcomes) > 20


@given(ops=st.lists(st.sampled_from(STRONG), max_size=3).map(tuple), seed=st.integers(0, 99))
def test_a_batch_goes_through_each_augmentation_in_turn(sample, ops, seed):
    images, labels, generator = (
        as_floats(sample.test.pixels[:64]),
        sample.test.labels[:64],
        torch.Generator().manual_seed(seed),
    )
    expected = images
    for op in ops:
        expected = op.apply(expected, labels, generator)
    assert torch.equal(
        augment_batches(ops, images, labels, 64, torch.Generator().manual_seed(seed)), expected
    )


@pytest.mark.parametrize(
    "op", [Swell(per_class=2), Darken(fraction=0.5, per_class=2), Squeeze(per_class=2)], ids=repr
)
def test_what_chooses_among_a_batch_chooses_in_each_of_several(op):
    images = torch.rand(300, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    after = augment_batches(
        (op,), images, torch.arange(300) % 10, 100, torch.Generator().manual_seed(0)
    )
    assert (after != images).flatten(1).any(1).view(3, 100).sum(1).tolist() == [20, 20, 20]


def test_batches_made_together_have_draws_of_their_own(digits):
    images = digits[:1].repeat(300, 1, 1, 1)
    after = augment_batches(
        STRONG[:3], images, torch.arange(300) % 10, 100, torch.Generator().manual_seed(0)
    )
    assert len({image.numpy().tobytes() for image in after}) > 290


@pytest.mark.parametrize(
    "op",
    [Affine(), Elastic(alpha=0), Jitter(), Cutout(p=0), Erase(p=0, value=0.5), Darken(fraction=0)],
    ids=repr,
)
def test_no_strength_is_no_change(op, digits):
    torch.testing.assert_close(apply(op, digits), digits, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "op", [Swell(size=28), Squeeze(size=28), Cutout(size=28, p=1), PadCrop(padding=28)], ids=repr
)
def test_a_patch_may_be_as_large_as_the_image(op, digits):
    assert apply(op, digits).shape == digits.shape


def test_pad_crop_shifts_an_image_by_whole_pixels_every_way_alike(digits):
    windows = F.unfold(F.pad(digits[:1], [2] * 4), 28)[0].T  # (25 shifts, 784)
    is_shift = (
        apply(PadCrop(padding=2), digits[:1].repeat(5_000, 1, 1, 1)).view(-1, 1, 784) == windows
    ).all(2)  # (5000, 25)
    assert (is_shift.sum(1) == 1).all() and is_shift.sum(0).min() > 130  # 200 expected


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_flip_mirrors_a_share_p_of_the_images_and_leaves_the_others(p, digits):
    images = digits[:1].repeat(2_000, 1, 1, 1)
    after = apply(Flip(p=p), images)
    same, mirrored = ((after == one).flatten(1).all(1) for one in (images, images.flip(3)))
    assert (same ^ mirrored).all()
    assert abs(mirrored.float().mean() - p) < 0.04


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_cutout_is_a_black_square_inside_a_share_p_of_the_images(p):
    hole = apply(Cutout(size=8, p=p), torch.ones(2_000, 1, 28, 28)) == 0
    found = boxes(hole)
    assert abs(len(found) / 2_000 - p) < 0.04
    assert {box[2:] for box in found} <= {(8, 8)} and hole.sum() == 64 * len(found)
    assert {box[0] for box in found} == {box[1] for box in found} == set(range(21) if p else ())


LARGE = Erase(p=0.5, min_area=0.2, max_area=0.8, min_ratio=0.5, max_ratio=2, value=0.5)


@pytest.mark.parametrize("op", [Erase(p=0.5, value=0.1307), LARGE], ids=["default", "large"])
def test_erase_is_a_rectangle_of_the_declared_area_and_ratio_in_a_share_p_of_the_images(op):
    hole = (apply(op, torch.full((3_000, 1, 28, 28), 0.9)) - op.value).abs() < 1e-6
    found = boxes(hole)
    assert hole.sum() == sum(tall * wide for *_, tall, wide in found)
    for *_, tall, wide in found:
        assert (tall - 0.5) * (wide - 0.5) <= op.max_area * 784 and (tall + 0.5) * (
            wide + 0.5
        ) >= op.min_area * 784
        assert (tall - 0.5) / (wide + 0.5) <= op.max_ratio and (tall + 0.5) / max(
            wide - 0.5, 0.1
        ) >= op.min_ratio
    assert abs(len(found) / 3_000 - op.p) < 0.04


@pytest.mark.parametrize(
    ("op", "reach"),
    [(Swell(per_class=30), [(3, 3)]), (Squeeze(per_class=30), [(11, 1), (1, 11)])],
    ids=["Swell", "Squeeze"],
)
def test_a_patch_is_brightened_by_its_neighbours_and_the_rest_stays(op, reach, digits):
    after = apply(op, digits)
    found = boxes(after != digits)
    assert (after >= digits).all() and len(found) > 150
    assert max(max(box[2:]) for box in found) <= op.size and max(box[2] for box in found) > 1 < max(
        box[3] for box in found
    )
    reached = [
        F.max_pool2d(digits, kernel, 1, (kernel[0] // 2, kernel[1] // 2)) for kernel in reach
    ]
    assert torch.stack([(after <= most).all(3).all(2)[:, 0] for most in reached]).any(0).all()


@pytest.mark.parametrize("fraction", [0.15, 0.5, 1.0])
def test_darken_darkens_the_declared_fraction_of_the_bright_pixels(fraction, digits):
    after = apply(Darken(fraction=fraction, factor=0.2, per_class=30), digits)
    changed, bright = (after != digits).flatten(1), (digits > 0.5).flatten(1)
    assert (
        torch.equal(after, torch.where(changed.view_as(digits), digits * 0.2, digits))
        and not (changed & ~bright).any()
    )
    assert ((changed.sum(1) - bright.sum(1) * fraction).abs() < 1.001).all() and (
        changed.sum(1) >= 1
    ).all()


@pytest.mark.parametrize("kind", [Swell, Darken, Squeeze])
@given(
    labels=st.lists(st.integers(0, 9), min_size=1, max_size=60),
    per_class=st.integers(1, 5),
    seed=st.integers(0, 99),
)
def test_as_many_images_of_each_label_change_as_declared_and_none_of_a_rarer_one(
    kind, labels, per_class, seed
):
    images, labels = (
        torch.rand(len(labels), 1, 28, 28, generator=torch.Generator().manual_seed(seed)),
        torch.tensor(labels),
    )
    changed = (apply(kind(per_class=per_class), images, seed, labels) != images).flatten(1).any(1)
    counts = labels.bincount(minlength=10)
    assert torch.equal(
        labels[changed].bincount(minlength=10), torch.where(counts >= per_class, per_class, 0)
    )


def test_jitter_changes_brightness_and_contrast_within_their_bounds(digits):
    image = digits[:1].clamp(max=0.5).repeat(500, 1, 1, 1)
    light = apply(Jitter(brightness=0.4), image).mean((1, 2, 3)) / image[0].mean()
    assert (
        (light >= 0.6 - 1e-4).all()
        and (light <= 1.4 + 1e-4).all()
        and light.min() < 0.65
        and light.max() > 1.35
    )
    flat = torch.full((9, 1, 28, 28), 0.3)
    torch.testing.assert_close(apply(Jitter(contrast=1), flat), flat)


def test_the_grid_shows_a_row_for_each_augmentation(tmp_path, capsys, digits):
    rows = show(digits[:20], torch.arange(20) % 10, IMAGE)
    assert len(rows) == len(SHOWN) + 1 and all(
        not torch.equal(row, digits[:20]) for row in list(rows.values())[1:]
    )
    assert main(["--out", str(tmp_path / "new" / "grid.png")]) == 0
    height, width, _ = matplotlib.image.imread(tmp_path / "new" / "grid.png").shape
    assert abs(height - 0.85 * 120 * len(rows)) <= 2 and width > 1_000
    assert capsys.readouterr().out == f"{tmp_path / 'new' / 'grid.png'}\n"
    assert (
        main(["--out", str(tmp_path / "new" / "grid.png" / "x.png")]) == 3
        and "x.png: " in capsys.readouterr().err
    )


@EACH
def test_three_equal_channels_change_as_the_one_does(op, digits):
    """An augmentation draws for an image, not for a channel of it."""
    grey = apply(op, digits)
    colour = apply(op, digits.expand(-1, 3, -1, -1).contiguous())
    torch.testing.assert_close(colour, grey.expand(-1, 3, -1, -1), rtol=0, atol=1e-6)


@EACH
def test_every_channel_changes_where_the_channels_differ(op, digits):
    colour = torch.cat([digits, digits.roll(10, 0), digits.roll(20, 0)], dim=1)
    after = apply(op, colour)
    assert after.shape == colour.shape
    assert (after != colour).any(0).flatten(1).any(1).all()


def test_erase_needs_the_mean_of_the_data_set_where_it_names_no_value(digits):
    with pytest.raises(ValueError, match="has no value yet"):
        apply(Erase(p=1), digits)
    with pytest.raises(ValueError, match="mean of the training images is not known"):
        Erase().fit(ImageSpec(shape=(1, 28, 28), num_classes=10))
    assert Erase().fit(IMAGE).value == IMAGE.mean
    assert Erase(value=0.5).fit(IMAGE).value == 0.5
    with pytest.raises(ValueError, match="value must hold numbers from 0 to 1"):
        Erase(value=(0.5, 2.0))
