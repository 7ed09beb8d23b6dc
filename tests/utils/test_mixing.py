"""MixUp and CutMix: what is mixed, how often, and that labels say how much of which."""

import pytest
import torch

from utils.mixing import Mix

COUNT = 40
ONES, LABELS = torch.ones(COUNT, 1, 28, 28), torch.arange(COUNT) % 10


def shades(count: int = COUNT) -> torch.Tensor:
    """Images of one grey each, which tells where a pixel is from."""
    return torch.arange(float(count)).view(-1, 1, 1, 1) * ONES[:count]


def mix_batch(mix: Mix, images: torch.Tensor, labels: torch.Tensor):
    return mix.apply(images, labels, 10)


@pytest.mark.parametrize("num_classes", [3, 10, 100])
def test_labels_are_shares_of_as_many_classes_as_the_data_set_has(num_classes):
    images = torch.rand(COUNT, 3, 8, 9)
    labels = torch.arange(COUNT) % num_classes
    mixed, shares = Mix(p=1).apply(images, labels, num_classes)
    assert mixed.shape == images.shape and shares.shape == (COUNT, num_classes)


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_a_share_p_of_the_batches_is_mixed(p):
    torch.manual_seed(0)
    mixed = sum(mix_batch(Mix(p=p), ONES[:2], LABELS[:2])[1].ndim == 2 for _ in range(400))
    assert abs(mixed - 400 * p) <= 3 * (400 * p * (1 - p)) ** 0.5


@pytest.mark.parametrize("cutmix", [0.0, 0.8, 1.0])
def test_a_share_of_the_mixed_batches_is_cut_and_the_rest_blended(cutmix):
    """A cut image has pixels of two greys and none between; a blended one has a single grey."""
    torch.manual_seed(0)
    cut = sum(
        mix_batch(Mix(p=1, cutmix=cutmix, mixup_alpha=5, cutmix_alpha=5), shades(2), LABELS[:2])[0][
            0
        ]
        .unique()
        .numel()
        > 1
        for _ in range(300)
    )
    assert (
        abs(cut - 300 * cutmix) <= 4 * (300 * cutmix * (1 - cutmix)) ** 0.5 + 5
    )  # a cut may be empty


@pytest.mark.parametrize("cutmix", [0.0, 1.0])
def test_labels_are_shares_that_fit_the_pixels(cutmix):
    torch.manual_seed(0)
    for _ in range(20):
        images, shares = mix_batch(
            Mix(p=1, cutmix=cutmix, mixup_alpha=2, cutmix_alpha=2), shades(), LABELS
        )
        torch.testing.assert_close(shares.sum(1), torch.ones(COUNT))
        own = shares[torch.arange(COUNT), LABELS]
        other = torch.arange(COUNT).roll(1)
        expected = own * torch.arange(COUNT) + (1 - own) * other
        torch.testing.assert_close(images.mean((1, 2, 3)), expected.float(), atol=1e-3, rtol=1e-3)
