"""What a reader raises becomes one error that names the file, whatever it is."""

import struct
import warnings
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.errors import DataError, TorchBudgetError, WaiverError
from torchbudget.reading import follow_links, reading

RAISED = (
    ValueError("bad"),
    KeyError("key"),
    RecursionError("deep"),
    OverflowError("long"),
    struct.error("short"),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
    AttributeError("none"),
    OSError("said by a library"),
    RuntimeError("first\nsecond"),
    UserWarning("odd"),
)


def read(error: BaseException) -> None:
    with reading(Path("a/file"), DataError, "is corrupt", "fetch it again"):
        raise error


@pytest.mark.parametrize("raised", RAISED, ids=repr)
def test_a_damaged_file_is_named_with_what_to_do(raised):
    with pytest.raises(DataError, match=r"^a/file is corrupt: .*; fetch it again$") as caught:
        read(raised)
    assert "\n" not in str(caught.value) and caught.value.__cause__ is raised


@pytest.mark.parametrize("raised", [PermissionError(13, "Permission denied"), MemoryError()])
def test_a_file_that_is_not_given_is_not_called_damaged(raised):
    with pytest.raises(DataError, match=r"^a/file cannot be read: ") as caught:
        read(raised)
    assert "fetch it again" not in str(caught.value)


@pytest.mark.parametrize("raised", [WaiverError("mine"), KeyboardInterrupt(), SystemExit(3)])
def test_errors_of_ours_and_the_end_of_the_process_pass(raised):
    with pytest.raises(type(raised)) as caught:
        read(raised)
    assert caught.value is raised


@given(st.text())
def test_the_words_of_a_reader_never_break_the_line(text):
    with pytest.raises(TorchBudgetError) as caught:
        read(ValueError(text))
    assert str(caught.value).isprintable()


def test_what_a_reader_warns_of_is_not_shown():
    with reading(Path("a/file"), DataError, "is corrupt"):
        warnings.warn("of a format that is old", stacklevel=1)


def test_a_link_to_itself_is_no_crash(tmp_path):
    (tmp_path / "link").symlink_to("link")
    assert follow_links(tmp_path / "link") == tmp_path / "link"
