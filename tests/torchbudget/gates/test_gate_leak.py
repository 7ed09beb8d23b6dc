"""The leak gate: test images among the training images, as they are or nearly so."""

import hashlib

import pytest
import torch

from torchbudget.data.images import Dataset, Images
from torchbudget.gates import judge
from torchbudget.gates.observation import Observation
from torchbudget.report.verdict import Status


def judged(entry, dataset):
    return judge("leak", entry, Observation(entry, [], None, lambda name: dataset, ()))


def mixed(sample, change, count=20):
    """The sample with `count` of its test images, changed, among its training images."""
    taken = Images(
        change(sample.test.pixels[:count].float()).round().clamp(0, 255).byte(),
        sample.test.labels[:count],
    )
    train = Images(
        torch.cat([sample.train.pixels[:2_000], taken.pixels]),
        torch.cat([sample.train.labels[:2_000], taken.labels]),
    )
    return Dataset("mixed", train, sample.test)


def noise(images):
    return images + 5 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0)) * (
        images > 0
    )


LEAKS = {
    "as they are": lambda images: images,
    "moved by a pixel": lambda images: images.roll((1, -1), (2, 3)),
    "moved by three": lambda images: images.roll(3, 2),
    "dimmed": lambda images: images * 0.7,
    "a little noise": noise,
}


def test_the_sample_does_not_leak_and_its_nearest_pair_is_shown(small_entry, sample):
    verdict = judged(small_entry, sample)
    assert (
        verdict.status == Status.PASS
        and len(verdict.details) == 1
        and "cosine 0.9" in verdict.observed
    )


@pytest.mark.parametrize("change", LEAKS)
def test_test_images_among_the_training_images_are_found_and_shown(change, small_entry, sample):
    verdict = judged(small_entry, mixed(sample, LEAKS[change]))
    assert verdict.status == Status.FAIL and int(verdict.difference.split()[0]) >= 18
    assert "like training #20" in verdict.details[0]


def test_one_image_is_enough(small_entry, sample):
    verdict = judged(small_entry, mixed(sample, LEAKS["moved by a pixel"], count=1))
    assert verdict.status == Status.FAIL and verdict.details == (
        "test #0 is like training #2000: cosine 1.0000",
    )


def test_only_the_very_twins_that_mnist_has_are_excused(small_entry, sample, monkeypatch):
    """Two images of MNIST's own above the limit are no leak; the same two, one moved by a pixel, are."""
    leaked = mixed(sample, LEAKS["moved by a pixel"], count=1)
    pair = frozenset(
        hashlib.sha256(image.numpy().tobytes()).hexdigest()[:16]
        for image in (leaked.test.pixels[0], leaked.train.pixels[2_000])
    )
    monkeypatch.setattr("torchbudget.gates.leak.TWINS", {pair})
    assert judged(small_entry, leaked).status == Status.PASS
    assert (
        judged(small_entry, mixed(sample, LEAKS["moved by three"], count=1)).status == Status.FAIL
    )
