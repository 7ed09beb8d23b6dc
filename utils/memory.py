"""How the process holds its memory."""

import ctypes
import functools

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT_BYTES = 1 << 30


@functools.cache
def keep_freed_memory() -> bool:
    """Let malloc keep what is freed; False if the C library is not glibc.

    Batches free and take the same megabytes again. Malloc would return them to the system, which
    clears new pages for the next batch. Keeping them saves a tenth to a quarter of the training
    time.
    """
    try:
        process = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has no library of the whole process
        return False
    mallopt = getattr(process, "mallopt", None)
    if mallopt is None:
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, KEPT_BYTES) and mallopt(M_TRIM_THRESHOLD, KEPT_BYTES))
