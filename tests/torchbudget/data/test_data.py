"""Data sets are verified before use, split by a recorded order, and never confused."""

import gzip
import os
import re
import shutil
import socket
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.data.images import Images, as_floats
from torchbudget.data.loading import load_dataset, load_or_sample
from torchbudget.data.mnist import IDX_HEADERS, IMAGE, MNIST
from torchbudget.data.split import fixed_permutation, split_train_val
from torchbudget.errors import DataError

(MEAN,), (STD,) = IMAGE.mean, IMAGE.std
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


@pytest.fixture
def unplugged(tmp_path_factory, monkeypatch) -> None:
    """An empty working directory, no root named, and no way to the network."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("MNIST_ROOT", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path_factory.mktemp("unplugged"))


def same(one: Images, other: Images) -> bool:
    return torch.equal(one.pixels, other.pixels) and torch.equal(one.labels, other.labels)


def snapshot(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def test_floats_span_zero_to_one_and_leave_the_pixels_as_they_were(sample):
    pixels = sample.test.pixels.clone()
    floats = as_floats(pixels)
    assert (floats.dtype, floats.min().item(), floats.max().item()) == (torch.float32, 0.0, 1.0)
    assert torch.equal((floats * 255).round().to(torch.uint8), pixels) and torch.equal(
        pixels, sample.test.pixels
    )


def test_normalised_images_have_mean_0_and_deviation_1_over_mnist(sample):
    torch.testing.assert_close(
        IMAGE.normalise(torch.tensor([0.0, MEAN, 1.0])),
        torch.tensor([-MEAN / STD, 0.0, (1 - MEAN) / STD]),
    )
    normal = sample.image.normalise(as_floats(sample.train.pixels))
    assert abs(normal.mean()) < 0.02 and abs(normal.std() - 1) < 0.02


@given(st.text(max_size=9), st.integers(0, 200), st.integers(0, 200))
def test_a_dealt_order_is_a_permutation_that_depends_on_nothing_but_its_name(name, count, more):
    longer = fixed_permutation(name, count + more)
    assert sorted(longer) == list(range(count + more))
    assert [index for index in longer if index < count] == fixed_permutation(name, count)


def test_the_dealt_orders_are_those_of_every_run_so_far():
    assert fixed_permutation("mnist", 10) == [3, 0, 9, 8, 6, 1, 2, 4, 5, 7]
    assert fixed_permutation("mnist", 60_000)[:8] == [
        34560,
        35399,
        58460,
        8553,
        1997,
        39426,
        16255,
        46232,
    ]
    assert fixed_permutation("mnist_sample", 4_000)[:5] == [1256, 288, 1937, 1156, 2304]


@pytest.mark.parametrize("val_images", [0, 1, 500, 3_999])
def test_a_split_is_disjoint_complete_and_recorded(val_images, sample):
    train, val = split_train_val(sample, val_images)
    chosen = torch.zeros(4_000, dtype=torch.bool)
    chosen[fixed_permutation("mnist_sample", 4_000)[:val_images]] = True
    assert same(val, sample.train[chosen]) and same(train, sample.train[~chosen])
    assert (len(train), len(val)) == (4_000 - val_images, val_images)
    with pytest.raises(DataError, match="mnist_sample has 4000 training images; 4000 for val"):
        split_train_val(sample, 4_000)


def test_a_digest_changes_with_any_pixel_label_or_order(sample):
    few = sample.test[torch.arange(20)]
    pixels, labels = few.pixels.clone(), few.labels.clone()
    pixels[3, 0, 14, 14] ^= 1
    labels[3] = (labels[3] + 1) % 10
    variants = [
        few,
        Images(pixels, few.labels, IMAGE),
        Images(few.pixels, labels, IMAGE),
        few[torch.arange(19)],
        few[torch.arange(20).flip(0)],
    ]
    assert len({images.digest for images in variants}) == len(variants)


def test_the_sample_is_what_every_run_on_it_saw(sample):
    assert (sample.name, sample.train.pixels.shape, sample.train.pixels.dtype) == (
        "mnist_sample",
        (4_000, 1, 28, 28),
        torch.uint8,
    )
    assert (sample.train.labels.bincount() + sample.test.labels.bincount()).tolist() == [500] * 10
    assert (sample.train.digest[:16], sample.test.digest[:16]) == (
        "9a21a0e61eaa6aea",
        "b2236087e44e466e",
    )


@pytest.mark.parametrize("extracted", [False, True])
def test_images_and_labels_are_read_as_they_were_written(
    extracted, raw, contents, mnist_like, sample
):
    for name in IDX_HEADERS if extracted else ():
        (raw / f"{name}.gz").unlink()
        (raw / name).write_bytes(contents[name])
    found = load_dataset(mnist_like, raw.parent.parent)
    assert (
        found.name == "mnist" and same(found.train, sample.train) and same(found.test, sample.test)
    )


def test_a_root_is_only_read(raw, mnist_like, monkeypatch):
    raw.chmod(0o555)
    before = snapshot(raw.parent.parent)
    monkeypatch.setenv("MNIST_ROOT", str(raw.parent.parent))
    assert load_dataset(mnist_like).name == "mnist"
    assert snapshot(raw.parent.parent) == before
    raw.chmod(0o755)


DAMAGE = {
    "cut short": lambda raw: (raw / f"{IMAGES}.gz").write_bytes(
        (raw / f"{IMAGES}.gz").read_bytes()[:-9]
    ),
    "empty": lambda raw: (raw / f"{IMAGES}.gz").write_bytes(b""),
    "no gzip": lambda raw: (raw / f"{IMAGES}.gz").write_bytes(b"<html>404 Not Found</html>"),
    "a hole": lambda raw: (raw / f"{IMAGES}.gz").write_bytes(
        (lambda whole: whole[:5_000] + whole[9_000:])((raw / f"{IMAGES}.gz").read_bytes())
    ),
    "a folder": lambda raw: ((raw / f"{IMAGES}.gz").unlink(), (raw / f"{IMAGES}.gz").mkdir()),
    "the labels": lambda raw: shutil.copy(raw / f"{LABELS}.gz", raw / f"{IMAGES}.gz"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_named_in_one_line(damage, raw, mnist_like):
    DAMAGE[damage](raw)
    with pytest.raises(
        DataError,
        match=f"^{re.escape(str(raw / IMAGES))}.gz "
        "(is corrupt.*; delete it and fetch it again|cannot be read: Is a directory)$",
    ) as caught:
        load_or_sample(mnist_like, raw.parent.parent)
    assert "\n" not in str(caught.value) and (f"it holds {LABELS}" in str(caught.value)) == (
        damage == "the labels"
    )


def test_one_flipped_digit_in_an_extracted_file_is_found(raw, mnist_like, contents):
    (raw / f"{LABELS}.gz").unlink()
    (raw / LABELS).write_bytes(
        contents[LABELS][:100] + bytes([(contents[LABELS][100] + 1) % 10]) + contents[LABELS][101:]
    )
    with pytest.raises(
        DataError, match=f"{re.escape(str(raw / LABELS))} is corrupt or mislabelled: SHA-256"
    ):
        mnist_like.load.read(raw.parent.parent, download=False)


def test_other_images_in_the_form_of_mnist_are_not_mnist(raw):
    with pytest.raises(DataError, match=f"{IMAGES}.gz is corrupt or mislabelled: SHA-256"):
        MNIST.load.read(raw.parent.parent, download=True)


def test_a_missing_file_is_named_and_a_named_root_is_never_filled(raw, unplugged):
    (raw / f"{LABELS}.gz").unlink()
    before = snapshot(raw.parent.parent)
    with pytest.raises(
        DataError, match=f"^{re.escape(str(raw))} lacks {LABELS}; point MNIST_ROOT or --data-root"
    ):
        load_or_sample("mnist", raw.parent.parent)
    assert snapshot(raw.parent.parent) == before


def test_without_network_the_sample_stands_in_and_says_so_loudly(unplugged, sample, capsys):
    found = load_or_sample("mnist")
    assert (
        found.name == "mnist_sample"
        and same(found.train, sample.train)
        and same(found.test, sample.test)
    )
    assert re.search(
        r"MNIST could not be downloaded to data .*\nTRAINING ON THE SAMPLE", capsys.readouterr().err
    )


@pytest.mark.parametrize("left", ["nothing", "half a file", "half an extracted file", "half moved"])
def test_a_killed_download_leaves_nothing_that_is_taken_for_data(left, unplugged, contents):
    partial = Path("data/partial-download/MNIST/raw")
    partial.mkdir(parents=True)
    if left == "half a file":
        (partial / f"{IMAGES}.gz").write_bytes(gzip.compress(contents[IMAGES], 1)[:9_999])
    for name in IDX_HEADERS if left in ("half an extracted file", "half moved") else ():
        (partial / name).write_bytes(
            contents[name][: 9_999 if left == "half an extracted file" else None]
        )
    with pytest.raises(
        DataError, match=r"MNIST could not be downloaded to data \(.*refused.*; set MNIST_ROOT"
    ):
        load_dataset("mnist")
    assert socket.getdefaulttimeout() is None and not Path("data/MNIST").exists()


def test_what_was_asked_for_by_name_never_becomes_the_sample(unplugged, monkeypatch):
    with pytest.raises(DataError, match=r"^empty/MNIST/raw lacks"):
        load_or_sample("mnist", Path("empty"))
    monkeypatch.setenv("MNIST_ROOT", "nowhere")
    with pytest.raises(DataError, match=r"^nowhere/MNIST/raw lacks"):
        load_or_sample("mnist")
    assert os.listdir() == []
    with pytest.raises(
        DataError, match=r"no data set 'emnist'.*; known: mnist, kaggle_deal, mnist_sample"
    ):
        load_or_sample("emnist")
