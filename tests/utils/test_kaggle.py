"""The competition's files are read back as they were written, and faults are named.

No image to be predicted is trained on.
"""

import hashlib
import re
from pathlib import Path

import pytest
import torch
from csv_files import write_csv

from torchbudget.data.images import Images
from torchbudget.data.overlap import find_shared, name_rows
from torchbudget.errors import DataError, OverlapError
from utils.kaggle import (
    read_test_csv,
    read_train_csv,
    recover_trained,
    split_train_csv,
    write_submission,
)


@pytest.fixture(scope="module")
def some(sample) -> Images:
    return sample.train[torch.arange(0, 4_000, 10)]


@pytest.fixture(scope="module")
def lines(some, tmp_path_factory) -> list[str]:
    """Ten rows of a train.csv and their header."""
    few = some[torch.arange(0, 400, 40)]
    return (
        write_csv(tmp_path_factory.mktemp("csv") / "train.csv", few.pixels, few.labels)
        .read_text()
        .splitlines()
    )


def complaint(path: Path, lines: list[str], read=read_train_csv) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read(path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)
    return str(caught.value).removeprefix(str(path))


# --- reading and writing --------------------------------------------------------------------------


def test_images_are_read_as_they_were_written(some, tmp_path):
    found = read_train_csv(write_csv(tmp_path / "train.csv", some.pixels, some.labels))
    assert found.digest == some.digest and found.pixels.shape == some.pixels.shape
    assert torch.equal(read_test_csv(write_csv(tmp_path / "test.csv", some.pixels)), some.pixels)


@pytest.mark.parametrize(("newline", "mark"), [("\r\n", ""), ("\n", "\ufeff")])
def test_what_editors_and_spreadsheets_add_does_not_matter(newline, mark, lines, tmp_path):
    path, plain = tmp_path / "train.csv", tmp_path / "plain.csv"
    path.write_bytes((mark + newline.join(lines)).encode())
    plain.write_text("\n".join(lines))
    assert read_train_csv(path).digest == read_train_csv(plain).digest


def test_a_submission_counts_images_from_1_or_as_they_are_numbered(tmp_path):
    write_submission(tmp_path / "out.csv", torch.tensor([7, 0, 9]))
    assert (tmp_path / "out.csv").read_text() == "ImageId,Label\n1,7\n2,0\n3,9\n"
    write_submission(tmp_path / "out.csv", torch.tensor([7, 0]), [2, 5])
    assert (tmp_path / "out.csv").read_text() == "ImageId,Label\n2,7\n5,0\n"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


# --- faults ---------------------------------------------------------------------------------------


def change(line: str, column: int, value: str) -> str:
    values = line.split(",")
    values[column] = value
    return ",".join(values)


FAULTS = {
    "a value above 255": (
        lambda row: change(row, 12, "256"),
        ", row 4 (line 5), column pixel11: 256 is outside 0..255",
    ),
    "a value below 0": (
        lambda row: change(row, 784, "-1"),
        ", row 4 (line 5), column pixel783: -1 is outside 0..255",
    ),
    "a label above 9": (
        lambda row: change(row, 0, "10"),
        ", row 4 (line 5), column label: 10 is outside 0..9",
    ),
    "a fraction": (
        lambda row: change(row, 1, "0.5"),
        ", row 4 (line 5), column pixel0: '0.5' is no integer",
    ),
    "a word": (
        lambda row: change(row, 0, "seven"),
        ", row 4 (line 5), column label: 'seven' is no integer",
    ),
    "nothing": (
        lambda row: change(row, 100, ""),
        ", row 4 (line 5), column pixel99: '' is no integer",
    ),
    "a number without end": (
        lambda row: change(row, 100, "9" * 5_000),
        f", row 4 (line 5), column pixel99: '{'9' * 40}' is no integer",
    ),
    "a short row": (
        lambda row: row.rpartition(",")[0],
        ", row 4 (line 5): 784 values, 785 are expected",
    ),
    "a long row": (lambda row: row + ",0", ", row 4 (line 5): 786 values, 785 are expected"),
    "an empty row": (lambda row: "", ", row 4 (line 5): 0 values, 785 are expected"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_named_with_its_row_and_column(fault, lines, tmp_path):
    spoil, expected = FAULTS[fault]
    assert complaint(tmp_path / "train.csv", [*lines[:4], spoil(lines[4]), *lines[5:]]) == expected


HEADERS = {
    "that of a test.csv": (
        lambda names: names[1:],
        r" is a file without labels, to be predicted: its header begins with pixel0; label,pixel0,",
    ),
    "another name": (
        lambda names: [*names[:5], "pixel_4", *names[6:]],
        r" has a wrong header: 785 columns, number 6 is 'pixel_4'; label,pixel0,",
    ),
    "one less": (
        lambda names: names[:-1],
        r" has a wrong header: 784 columns, number 785 is missing; label,pixel0,",
    ),
    "one more": (
        lambda names: [*names, "pixel784"],
        r" has a wrong header: 786 columns, number 786 is 'pixel784'; label,pixel0,",
    ),
    "none": (
        lambda names: ["5"] * 785,
        r" has a wrong header: 785 columns, number 1 is '5'; label,pixel0,",
    ),
}


@pytest.mark.parametrize("fault", HEADERS)
def test_a_wrong_header_is_named(fault, lines, tmp_path):
    spoil, expected = HEADERS[fault]
    assert complaint(
        tmp_path / "train.csv", [",".join(spoil(lines[0].split(","))), *lines[1:]]
    ).startswith(expected)


def test_a_file_to_train_on_is_not_predicted(lines, tmp_path):
    assert complaint(tmp_path / "test.csv", lines, read_test_csv).startswith(
        " is a file with labels, to train on: its header begins with label; pixel0,"
    )


def test_what_is_no_csv_is_named(lines, tmp_path):
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xd8\xff\xe0")
    for name, reason in (
        ("nowhere.csv", "No such file"),
        ("bytes.csv", "can't decode"),
        ("", "Is a directory"),
    ):
        with pytest.raises(
            DataError,
            match=rf"^{re.escape(str(tmp_path / name))} cannot be read( as a CSV)?: .*{reason}",
        ):
            read_train_csv(tmp_path / name)
    assert (
        complaint(tmp_path / "blank.csv", [lines[0], ""])
        == ", row 1 (line 2): 0 values, 785 are expected"
    )
    assert complaint(tmp_path / "empty.csv", lines[:1]) == " holds a header and no images"


# --- the leak check -------------------------------------------------------------------------------


def test_twins_are_those_equal_in_every_pixel(some):
    assert find_shared(some.pixels, some.pixels[100:110]).nonzero().flatten().tolist() == list(
        range(100, 110)
    )
    changed = some.pixels[100:101].clone()
    changed[0, 0, 0, 0] ^= 1
    assert not find_shared(some.pixels, changed).any()


def test_rows_are_counted_from_1_and_only_the_first_few_named():
    marked = torch.zeros(20, dtype=torch.bool)
    marked[3] = True
    assert name_rows(marked) == "row 4"
    marked[10:18] = True
    assert name_rows(marked) == "rows 4, 11, 12, 13, 14 and 4 more"


def test_a_sixth_is_held_out_by_an_order_that_never_changes(some):
    dealt, again = split_train_csv(some), split_train_csv(some)
    assert (dealt.name, len(dealt.train), len(dealt.test)) == ("kaggle_csv", 334, 66)
    assert (dealt.train.digest, dealt.test.digest) == (again.train.digest, again.test.digest)
    assert {*map(bytes_of, dealt.train.pixels)} | {*map(bytes_of, dealt.test.pixels)} == {
        *map(bytes_of, some.pixels)
    }
    assert not find_shared(dealt.train.pixels, dealt.test.pixels).any()
    with pytest.raises(DataError, match=r"a train\.csv of 99 images is too small: 100 are needed"):
        split_train_csv(some[torch.arange(99)])


def bytes_of(image: torch.Tensor) -> bytes:
    return hashlib.sha256(image.numpy().tobytes()).digest()


def test_a_training_image_in_the_file_to_be_predicted_is_counted_and_named_or_dropped(some, sample):
    dealt = split_train_csv(some)
    planted = torch.cat([sample.test.pixels[:30], dealt.train.pixels[[7, 9]]])
    rows = sorted((find_shared(some.pixels, planted).nonzero().flatten() + 1).tolist())
    with pytest.raises(
        OverlapError,
        match=rf"^VOID: 2 of 400 training images \(rows {rows[0]}, {rows[1]}\) "
        "are also in the file to be predicted",
    ):
        split_train_csv(some, planted)
    kept = split_train_csv(some, planted, drop_overlap=True)
    assert (
        len(kept.train) == len(dealt.train) - 2
        and kept.test.digest == dealt.test.digest
        and not find_shared(kept.train.pixels, planted).any()
    )


def test_an_image_that_stands_twice_is_not_trained_on_and_held_out(some):
    twice = Images(some.pixels.repeat(2, 1, 1, 1), some.labels.repeat(2), some.image)
    with pytest.raises(OverlapError, match="are also among the images held out as test"):
        split_train_csv(twice)
    kept = split_train_csv(twice, drop_overlap=True)
    assert not find_shared(kept.train.pixels, kept.test.pixels).any()


def test_the_images_of_a_run_are_recovered_only_where_its_digests_prove_them(some, sample):
    planted = torch.cat([sample.test.pixels[:30], split_train_csv(some).train.pixels[:5]])
    for against in (None, planted):
        trained = split_train_csv(some, against, drop_overlap=True).train
        found = recover_trained(some, planted, 0, (trained.digest, None))
        assert found.digest == trained.digest and find_shared(found.pixels, planted).sum() == (
            5 if against is None else 0
        )
        assert recover_trained(some[torch.arange(399)], planted, 0, (trained.digest, None)) is None
        assert recover_trained(some, planted, 30, (trained.digest, None)) is None
