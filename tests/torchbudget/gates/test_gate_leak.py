"""The leak gate: test images among the training images, as they are or nearly so."""

import hashlib
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from untrained import observe_runs

from torchbudget.data import custom
from torchbudget.data.images import Dataset, Images, ImageSpec
from torchbudget.gates import judge
from torchbudget.report.verdict import Status


def judged(entry, dataset):
    return judge("leak", entry, observe_runs(entry, dataset=dataset))


def mixed(sample, change, count=20):
    """The sample with `count` of its test images, changed, among its training images."""
    taken = Images(
        change(sample.test.pixels[:count].float()).round().clamp(0, 255).byte(),
        sample.test.labels[:count],
        sample.image,
    )
    train = Images(
        torch.cat([sample.train.pixels[:2_000], taken.pixels]),
        torch.cat([sample.train.labels[:2_000], taken.labels]),
        sample.image,
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


def test_only_the_pairs_that_the_data_set_names_are_excused(small_entry, sample):
    """Two images above the limit are no leak where they are named; the same, shifted, are."""
    leaked = mixed(sample, LEAKS["moved by a pixel"], count=1)
    pair = frozenset(
        hashlib.sha256(image.numpy().tobytes()).hexdigest()[:16]
        for image in (leaked.test.pixels[0], leaked.train.pixels[2_000])
    )
    data = replace(small_entry.data, known_duplicates=frozenset({pair}))
    entry = replace(small_entry, data=data)
    assert judged(entry, leaked).status == Status.PASS
    shifted = mixed(sample, LEAKS["moved by three"], count=1)
    assert judged(entry, shifted).status == Status.FAIL


# --- other data than ink on an empty ground -------------------------------------------------------


def photographs(count, seed):
    """(N, 3, 32, 32) smooth colour pictures, each about its own mean, no two alike."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=generator)
    fine = F.interpolate(coarse, size=32, mode="bicubic", align_corners=False)
    grain = 0.05 * torch.randn(count, 3, 32, 32, generator=generator)
    mean = torch.rand(count, 3, 1, 1, generator=generator)
    return ((fine + grain + mean) * 100).clamp(0, 255).byte()


@pytest.fixture(scope="module")
def coloured():
    image = ImageSpec((3, 32, 32), 7, (0.5,) * 3, (0.25,) * 3)
    parts = (photographs(1_500, 1), photographs(200, 2))
    return Dataset("coloured", *(Images(p, torch.arange(len(p)) % 7, image) for p in parts))


def judged_as_photographs(small_entry, dataset):
    data = custom("coloured", lambda: None, dataset.image)
    return judged(replace(small_entry, data=data), dataset)


def test_photographs_that_share_a_mean_are_no_leak(small_entry, coloured):
    verdict = judged_as_photographs(small_entry, coloured)
    assert verdict.status == Status.PASS and "test #" in verdict.observed


@pytest.mark.parametrize("channel", [0, 1, 2])
def test_a_channel_alone_makes_no_twin(channel, small_entry, coloured):
    """Images that agree in one channel of three are different images."""
    pixels = coloured.train.pixels.clone()
    pixels[:20, channel] = coloured.test.pixels[:20, channel]
    train = Images(pixels, coloured.train.labels, coloured.image)
    dataset = Dataset("coloured", train, coloured.test)
    assert judged_as_photographs(small_entry, dataset).status == Status.PASS


COPIES = {
    "as they are": lambda images: images,
    "moved by a pixel": lambda images: images.roll((1, -1), (2, 3)),
    "darker": lambda images: images * 0.8,
    "a little noise": lambda images: (
        images + 4 * torch.randn(images.shape, generator=torch.Generator().manual_seed(0))
    ),
}


@pytest.mark.parametrize("change", COPIES)
def test_copies_of_photographs_are_found_on_all_channels(change, small_entry, coloured):
    taken = COPIES[change](coloured.test.pixels[:20].float()).round().clamp(0, 255).byte()
    train = Images(
        torch.cat([coloured.train.pixels, taken]),
        torch.cat([coloured.train.labels, coloured.test.labels[:20]]),
        coloured.image,
    )
    verdict = judged_as_photographs(small_entry, Dataset("coloured", train, coloured.test))
    assert verdict.status == Status.FAIL and verdict.difference == "20 test images leaked"
