"""Whether a data set fits in memory, asked before it is read."""

import os

from torchbudget.errors import DataError


def available_bytes() -> int | None:
    """Memory that a process can still get; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


def check_memory(name: str, num_bytes: int) -> None:
    """Raises `DataError` where `num_bytes` of pixels are more than memory holds."""
    available = available_bytes()
    if available is not None and num_bytes > available:
        raise DataError(
            f"{name} holds {num_bytes / 2**30:,.1f} GiB of pixels, of memory "
            f"{available / 2**30:,.1f} GiB are free: make the images smaller or fewer"
        )
