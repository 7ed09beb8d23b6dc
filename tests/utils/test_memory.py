"""Keeping freed memory is a matter of glibc; elsewhere it does nothing."""

import ctypes

import pytest

from utils.memory import keep_freed_memory


def raise_error(name: None) -> None:
    raise TypeError("a library needs a name here")


@pytest.mark.parametrize("load", [raise_error, lambda name: object()], ids=["Windows", "musl"])
def test_where_the_c_library_is_not_glibc_nothing_is_kept(load, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", load)
    assert keep_freed_memory.__wrapped__() is False
