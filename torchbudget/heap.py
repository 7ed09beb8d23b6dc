"""Memory that is freed, and memory that is not worth the time."""

import atexit
import contextlib
import ctypes
import gc
import os
import sys
from collections.abc import Iterator
from typing import NoReturn


def trim_heap() -> None:
    """Give back what the C library keeps of freed memory, where it can: GNU's does on Linux.

    It keeps blocks of tensors between those that are still in use, and takes new ones beside them:
    a check of many networks, one after the other, grows to twice what it ever holds at once.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


@contextlib.contextmanager
def importing_torch() -> Iterator[None]:
    """Look for no garbage in what is made meanwhile, now or later; where torch is there, as ever.

    What torch makes when it is imported stays, and Python would look through it again and again.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def end_process(code: int) -> NoReturn:
    """End the process as `sys.exit` does, and leave its memory to the system.

    Python takes apart each module of torch before it ends, which takes longer than many a command.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
