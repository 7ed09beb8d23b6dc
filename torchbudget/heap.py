"""Memory that is freed, given back to the system."""

import contextlib
import ctypes
import sys


def trim_heap() -> None:
    """Give back what the C library keeps of freed memory, where it can: GNU's does on Linux.

    It keeps blocks of tensors between those that are still in use, and takes new ones beside them:
    a check of many networks, one after the other, grows to twice what it ever holds at once.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)
