"""Memory is given back in time, and a process ends in time with nothing lost."""

import gc
import os
import platform
import subprocess
import sys

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


def test_a_process_ends_at_once_and_loses_nothing():
    program = (
        "import atexit\n"
        "from torchbudget.heap import end_process, importing_torch\n"
        "with importing_torch():\n"
        "    import torch\n"
        "class Late:\n"
        "    def __del__(self): print('taken apart')\n"
        "late = Late()\n"
        "atexit.register(print, 'at exit')\n"
        "print('printed')\n"
        "end_process(7)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (7, "printed\nat exit\n", "")


def test_what_torch_makes_when_it_is_imported_is_not_looked_through_again():
    program = (
        "import gc\n"
        "from torchbudget.heap import importing_torch\n"
        "with importing_torch():\n"
        "    import torch\n"
        "print(gc.isenabled(), gc.get_freeze_count() > 100_000)\n"
        "with importing_torch():\n"
        "    made = [[]]\n"
        "print(gc.is_tracked(made), any(one is made for one in gc.get_objects()))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("True True\nTrue True\n", "")
