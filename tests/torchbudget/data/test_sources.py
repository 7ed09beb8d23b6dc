"""Data of one's own: read as it was written, or refused in one sentence that names file and row."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from torchbudget import data
from torchbudget.data.images import Images, ImageSpec
from torchbudget.data.loading import load_dataset
from torchbudget.data.memory import check_memory
from torchbudget.errors import DataError, DeclarationError

CLASSES = 7


def arrays(shape, count=70, seed=0):
    """`count` random images of `shape` as NumPy has them, and labels of seven classes."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 256, (count, *shape), dtype=np.uint8)
    return pixels, np.arange(count) % CLASSES


def save_npz(path: Path, shape=(32, 32, 3), **changes) -> Path:
    (x_train, y_train), (x_test, y_test) = arrays(shape), arrays(shape, 21, 1)
    parts = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    np.savez(path, **{name: part for name, part in (parts | changes).items() if part is not None})
    return path


def as_arrays(images: Images) -> np.ndarray:
    return images.pixels.permute(0, 2, 3, 1).numpy()


# --- npz ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(32, 32, 3), (20, 36), (8, 8, 1)])
def test_an_npz_file_is_read_as_it_was_written(shape, tmp_path):
    save_npz(tmp_path / "mine.npz", shape)
    dataset = load_dataset(data.npz("mine.npz"), folder=tmp_path)
    height, width, channels = (*shape, 1)[:3]
    assert dataset.image.shape == (channels, height, width)
    assert (dataset.name, dataset.image.num_classes) == ("mine", CLASSES)
    for images, (pixels, labels) in (
        (dataset.train, arrays(shape)),
        (dataset.test, arrays(shape, 21, 1)),
    ):
        assert np.array_equal(as_arrays(images), pixels.reshape(len(pixels), height, width, -1))
        assert images.labels.tolist() == labels.tolist()


def test_mean_and_deviation_are_those_of_the_training_images(tmp_path):
    save_npz(tmp_path / "mine.npz")
    dataset = load_dataset(data.npz("mine.npz"), folder=tmp_path)
    floats = dataset.train.pixels.double() / 255
    assert dataset.image.mean == pytest.approx(floats.mean((0, 2, 3)).tolist(), abs=1e-6)
    assert dataset.image.std == pytest.approx(
        floats.permute(1, 0, 2, 3).flatten(1).std(1, unbiased=False).tolist(), abs=1e-6
    )
    assert dataset.test.image == dataset.image


def test_a_declared_normalisation_is_taken(tmp_path):
    save_npz(tmp_path / "mine.npz")
    declared = data.npz("mine.npz", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    assert load_dataset(declared, folder=tmp_path).image.mean == (0.0, 0.0, 0.0)


pixels, labels = arrays((32, 32, 3))
REFUSED = {
    "no labels": ({"y_test": None}, "lacks y_test; it needs x_train, y_train, x_test, y_test"),
    "floats": ({"x_train": pixels / 255}, "train: pixels must be uint8 from 0 to 255, not float64"),
    "flat": ({"x_train": pixels.reshape(70, -1)}, r"must be \(N, H, W\) or \(N, H, W, C\)"),
    "two shapes": ({"x_test": arrays((16, 16, 3), 21)[0]}, "test: images of 3x16x16, 3x32x32"),
    "a label too few": ({"y_train": labels[:-1]}, "70 images and labels of shape"),
    "a label below": ({"y_test": np.full(21, -1)}, "test: row 0 has label -1, outside 0 to"),
    "labels that are floats": ({"y_train": labels + 0.5}, "labels must be integers, not float64"),
    "objects": ({"y_train": np.array([None] * 70)}, "cannot be read as an .npz file"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_npz_file_that_does_not_fit_is_refused_by_name(what, tmp_path):
    changes, reason = REFUSED[what]
    path = save_npz(tmp_path / "mine.npz", **changes)
    with pytest.raises(DataError, match=reason) as caught:
        load_dataset(data.npz("mine.npz"), folder=tmp_path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04 cut short"])
def test_a_file_that_is_no_npz_is_refused_by_name(content, tmp_path):
    (tmp_path / "mine.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"mine\.npz cannot be read as an \.npz file"):
        load_dataset(data.npz("mine.npz"), folder=tmp_path)
    with pytest.raises(DataError, match=r"other\.npz cannot be read: No such file"):
        load_dataset(data.npz("other.npz"), folder=tmp_path)


def test_no_code_runs_from_a_data_file(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "ran",))

    np.savez(tmp_path / "mine.npz", x_train=np.array([Bomb()], dtype=object), allow_pickle=True)
    (tmp_path / "bare.npz").write_bytes(pickle.dumps(Bomb()))
    for name in ("mine.npz", "bare.npz"):
        with pytest.raises(DataError):
            load_dataset(data.npz(name), folder=tmp_path)
    assert not (tmp_path / "ran").exists()


def test_more_than_memory_holds_is_refused_before_it_is_read():
    with pytest.raises(DataError, match=r"mine holds 1,048,576.0 GiB of pixels, of memory"):
        check_memory("mine", 2**50)
    check_memory("mine", 1)


# --- a folder of pictures -------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path) -> Path:
    """Three classes in `pets/train` and `pets/test`, colour pictures of 12x10."""
    pixels, _ = arrays((10, 12, 3), 12)
    for index, image in enumerate(pixels):
        part = (
            tmp_path
            / "pets"
            / ("train" if index < 9 else "test")
            / "cat dog emu".split()[index % 3]
        )
        part.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(part / f"{index:02}.png")
    return tmp_path


def test_a_folder_of_pictures_is_read_as_it_is(folder):
    dataset = load_dataset(data.image_folder("pets"), folder=folder)
    pixels, _ = arrays((10, 12, 3), 12)
    assert dataset.image.shape == (3, 10, 12) and dataset.image.num_classes == 3
    assert np.array_equal(as_arrays(dataset.train), pixels[[0, 3, 6, 1, 4, 7, 2, 5, 8]])
    assert dataset.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert dataset.test.labels.tolist() == [0, 1, 2]


def test_pictures_are_resized_and_made_grey_where_asked(folder):
    dataset = load_dataset(data.image_folder("pets", size=(8, 9), channels=1), folder=folder)
    assert dataset.train.pixels.shape == (9, 1, 8, 9)


BROKEN = {
    "another size": (
        lambda pets: Image.new("RGB", (5, 5)).save(pets / "train/cat/99.png"),
        r"train/cat/99.png is 5x5, the first picture 12x10; give size=\(H, W\)",
    ),
    "no picture": (
        lambda pets: (pets / "train/cat/99.png").write_text("no picture"),
        "train/cat/99.png is no picture that Pillow can read",
    ),
    "cut short": (
        lambda pets: (pets / "test/emu/11.png").write_bytes(
            (pets / "test/emu/11.png").read_bytes()[:60]
        ),
        "test/emu/11.png",
    ),
    "an unknown class": (
        lambda pets: (pets / "test/fox").mkdir(),
        "test/fox is a class that train/ does not have",
    ),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_picture_that_does_not_fit_is_refused_by_name(what, folder):
    damage, reason = BROKEN[what]
    damage(folder / "pets")
    with pytest.raises(DataError, match=reason) as caught:
        load_dataset(data.image_folder("pets"), folder=folder)
    assert "\n" not in str(caught.value)


def test_a_folder_without_its_parts_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match="pets has no folder train/ with a folder for each class"):
        load_dataset(data.image_folder("pets"), folder=tmp_path)


# --- CSV ------------------------------------------------------------------------------------------


def write_csv(path: Path, pixels, labels, header="label,p0") -> list[str]:
    rows = [
        ",".join(map(str, [label, *image.flatten()]))
        for image, label in zip(pixels, labels, strict=True)
    ]
    path.write_text("\n".join([header, *rows] if header else rows) + "\n", encoding="utf-8")
    return rows


@pytest.mark.parametrize("header", ["label,p0", ""])
def test_a_csv_is_read_as_it_was_written(header, tmp_path):
    pixels, labels = arrays((6, 6))
    write_csv(tmp_path / "train.csv", pixels, labels, header)
    write_csv(tmp_path / "test.csv", pixels[:9], labels[:9], header)
    dataset = load_dataset(data.csv("train.csv", test="test.csv"), folder=tmp_path)
    assert dataset.name == "train" and dataset.image.shape == (1, 6, 6)
    assert np.array_equal(dataset.train.pixels[:, 0].numpy(), pixels)
    assert dataset.test.labels.tolist() == labels[:9].tolist()


def test_a_sixth_of_a_csv_alone_is_held_out_always_the_same(tmp_path):
    write_csv(tmp_path / "all.csv", *arrays((3, 4, 3), 60))
    spec = data.csv("all.csv", shape=(3, 3, 4))
    first, second = (load_dataset(spec, folder=tmp_path) for _ in range(2))
    assert (len(first.train), len(first.test)) == (50, 10)
    assert first.test.digest == second.test.digest


FAULTS = {
    "a word": ("0,1,2,x,4", "line 3, value 4: 'x' is no integer"),
    "too few": ("0,1,2", "line 3: 3 values, the first row has 5"),
    "too bright": ("0,1,2,3,256", "line 3, value 5: 256 is outside 0 to 255"),
    "a gap": ("", "line 3: 1 values, the first row has 5"),
}


@pytest.mark.parametrize("what", FAULTS)
def test_the_first_fault_of_a_csv_is_named(what, tmp_path):
    row, reason = FAULTS[what]
    (tmp_path / "mine.csv").write_text(f"label,a,b,c,d\n0,1,2,3,4\n{row}\n0,1,2,3,4\n")
    with pytest.raises(DataError, match=f"mine.csv, {reason}"):
        load_dataset(data.csv("mine.csv"), folder=tmp_path)


# --- a function, and data sets by name ------------------------------------------------------------


def test_a_function_gives_arrays_or_tensors():
    (x, y), image = arrays((5, 6, 3)), ImageSpec((3, 5, 6), CLASSES)
    tensor = torch.from_numpy(x).permute(0, 3, 1, 2)
    by_arrays = load_dataset(data.custom("mine", lambda: (x, y, x[:9], y[:9]), image))
    by_tensors = load_dataset(
        data.custom("mine", lambda: (tensor, torch.from_numpy(y), tensor[:9], y[:9]))
    )
    assert by_arrays.train.digest == by_tensors.train.digest
    assert by_arrays.image == by_tensors.image


def test_a_function_that_fails_or_gives_something_else_is_named():
    with pytest.raises(DataError, match="the loader of mine failed: ZeroDivisionError"):
        load_dataset(data.custom("mine", lambda: 1 / 0))
    with pytest.raises(DataError, match="the loader of mine must return x_train"):
        load_dataset(data.custom("mine", lambda: None))


def test_images_of_another_form_than_declared_are_refused():
    x, y = arrays((5, 6, 3))
    spec = data.custom("mine", lambda: (x, y, x, y))
    with pytest.raises(DataError, match="mine has images 3x5x6, 7 classes, the zoo file declares"):
        load_dataset(replace(spec, image=ImageSpec((3, 5, 6), 8)))


def test_scikit_learns_digits_are_offered():
    dataset = load_dataset(data.DIGITS)
    assert (len(dataset.train), len(dataset.test)) == (1_437, 360)
    assert dataset.image.shape == (1, 8, 8) and dataset.train.pixels.max() == 255


def test_fashion_mnist_is_verified_like_mnist(tmp_path):
    with pytest.raises(DataError, match="FashionMNIST/raw lacks train-images-idx3-ubyte"):
        load_dataset(data.torchvision("FashionMNIST"), tmp_path)
    assert data.torchvision("MNIST") == data.MNIST


def test_what_torchvision_reads_is_what_it_gives(tmp_path, monkeypatch):
    """CIFAR10 in its own files: generated images, their digests put in the place of the real."""
    base = tmp_path / "cifar-10-batches-py"
    base.mkdir()
    pixels, labels = arrays((32, 32, 3), 20)
    batch = {
        "data": pixels.transpose(0, 3, 1, 2).reshape(20, -1),
        "labels": labels.tolist(),
    }
    (base / "data_batch_1").write_bytes(pickle.dumps(batch))
    (base / "meta").write_bytes(pickle.dumps({"label_names": ["name"] * 10}))
    kind = torchvision.datasets.CIFAR10
    monkeypatch.setattr(kind, "train_list", [["data_batch_1", None]])
    monkeypatch.setattr(kind, "test_list", [["data_batch_1", None]])
    monkeypatch.setattr(kind, "meta", {"filename": "meta", "key": "label_names", "md5": None})
    dataset = load_dataset(data.torchvision("CIFAR10"), tmp_path)
    assert dataset.name == "cifar10" and dataset.image.shape == (3, 32, 32)
    assert np.array_equal(as_arrays(dataset.train), pixels)
    with pytest.raises(DataError, match="CIFAR100 is not to be had in"):
        load_dataset(data.torchvision("CIFAR100"), tmp_path)


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(DeclarationError, match="no data set 'CIFAR'; there are MNIST, Fashion"):
        data.torchvision("CIFAR")


# --- laws of all images ---------------------------------------------------------------------------


@given(st.integers(2, 1_000), st.integers(0, 10**6))
def test_labels_are_told_apart_by_digest_however_many_classes_there_are(num_classes, seed):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, num_classes, (9,), generator=generator)
    other = labels.clone()
    other[3] = (other[3] + 1 + seed % (num_classes - 1)) % num_classes
    image = ImageSpec((1, 2, 2), num_classes)
    one, two = (
        Images(torch.zeros(9, 1, 2, 2, dtype=torch.uint8), y, image) for y in (labels, other)
    )
    assert (one.digest == two.digest) == torch.equal(labels, other)


@given(st.lists(st.floats(0.01, 0.99), min_size=3, max_size=3))
def test_each_channel_is_normalised_by_its_own_numbers(values):
    image = ImageSpec((3, 4, 5), 2, tuple(values), tuple(reversed(values)))
    images = torch.rand(6, 3, 4, 5)
    expected = torchvision.transforms.functional.normalize(
        images, *map(list, (image.mean, image.std))
    )
    torch.testing.assert_close(image.normalise(images.clone()), expected)


WRONG = {
    "two sides": {"shape": (28, 28)},
    "floats": {"shape": (1.0, 28, 28)},
    "one class": {"num_classes": 1},
    "mean alone": {"mean": (0.5,)},
    "a mean too many": {"mean": (0.5, 0.5), "std": (1.0, 1.0)},
    "no deviation": {"mean": (0.5,), "std": (0.0,)},
}


@pytest.mark.parametrize("what", WRONG)
def test_a_form_that_cannot_be_is_rejected(what):
    with pytest.raises(DeclarationError, match=r"^ImageSpec: "):
        ImageSpec(**{"shape": (1, 28, 28), "num_classes": 10} | WRONG[what])
