"""A check of many networks holds no more memory than the largest needs."""

import gc
import os
import platform

import pytest
import torch

from torchbudget.heap import trim_heap

PAGE = os.sysconf("SC_PAGE_SIZE")


def resident_bytes() -> int:
    with open("/proc/self/statm", encoding="utf-8") as file:
        return int(file.read().split()[1]) * PAGE


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only GNU's C library gives back")
def test_what_was_freed_between_what_is_kept_is_given_back():
    tensors = [torch.ones(10_000) for _ in range(4_000)]  # 160 MB
    kept = tensors[::100]
    full = resident_bytes()
    del tensors
    gc.collect()
    trim_heap()
    assert resident_bytes() < full - 100e6 and len(kept) == 40
