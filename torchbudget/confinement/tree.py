"""A process and all its descendants: who they are, what memory they hold, and their end.

Linux tells it in /proc, see proc(5). On other systems there are no descendants to be seen.
"""

import contextlib
import os
import signal
import stat
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PROC = "/proc"

MAX_FILES = 20_000
"""Files and folders that a confined process may have; `measure_files` stops counting there."""


def list_descendants(ancestor: int) -> list[int]:
    """Return the process ids below `ancestor`, children before grandchildren, no zombies."""
    children: dict[int, list[int]] = {}
    for process, fields in _read_processes():
        if _lives(fields):
            children.setdefault(int(fields[1]), []).append(process)
    descendants = list(children.get(ancestor, []))
    for process in descendants:
        descendants += children.get(process, [])
    return descendants


def glance_at_descendants(ancestor: int) -> list[int]:
    """Return what `list_descendants` does, at the cost of the descendants instead of all processes.

    One that starts or ends meanwhile may hide another from this look. Where the kernel lists no
    children, all processes are read.
    """
    if not os.path.exists(f"{PROC}/{ancestor}/task/{ancestor}/children"):
        return list_descendants(ancestor)
    descendants = _list_children(ancestor)
    for process in descendants:
        descendants += _list_children(process)
    return descendants


def _list_children(parent: int) -> list[int]:
    """Return the living children of each thread of `parent`."""
    children = []
    threads = f"{PROC}/{parent}/task"
    with contextlib.suppress(OSError):
        for thread in os.listdir(threads):
            with contextlib.suppress(OSError):
                for child in _read(f"{threads}/{thread}/children").split():
                    with contextlib.suppress(OSError):
                        if _lives(_read_fields(int(child))):
                            children.append(int(child))
    return children


def _lives(fields: list[bytes]) -> bool:
    """Return whether a process does; its first thread, which gives the state, may be over."""
    return fields[0] not in (b"Z", b"X") or int(fields[17]) > 1


def count_threads() -> int:
    """Return how many threads the system runs."""
    return sum(int(fields[17]) for _, fields in _read_processes())


def _read_processes() -> "Iterator[tuple[int, list[bytes]]]":
    """Yield every process id and the fields of /proc/ID/stat from the state on."""
    try:
        names = os.listdir(PROC)
    except OSError:
        return
    for name in names:
        if name.isdigit():
            with contextlib.suppress(OSError):
                yield int(name), _read_fields(int(name))


def _read_fields(process: int) -> list[bytes]:
    """Return the fields of /proc/ID/stat from the state on."""
    # The name in brackets can hold anything; the fields follow its last bracket.
    return _read(f"{PROC}/{process}/stat").rpartition(b")")[2].split()


def kill_descendants(ancestor: int, *, seconds: float = 5.0) -> bool:
    """Kill all below `ancestor`, also those that fork meanwhile; return whether none is left.

    The child of `ancestor` is killed first: with process 1 the kernel kills its whole namespace.
    The others are stopped before any is killed, so that none starts another unseen. Gives up after
    `seconds`.
    """
    deadline = time.monotonic() + seconds
    while descendants := list_descendants(ancestor):
        _signal_all(descendants[:1], signal.SIGKILL)
        _signal_all(descendants[1:], signal.SIGSTOP)
        _signal_all(descendants[1:], signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.001)
    return True


def _signal_all(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(OSError):
            os.kill(process, number)


def measure_memory(processes: list[int], limit: int) -> int:
    """Return the bytes of memory that `processes` hold together; shared pages count once.

    Resident pages, which cost little to read, bound the answer from above. Only where they pass
    `limit` are shared pages divided among their holders.
    """
    resident = {process: _read_resident(process) for process in processes}
    if sum(resident.values()) <= limit:
        return sum(resident.values())
    return sum(_read_proportional(process, resident[process]) for process in processes)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()


def _read_resident(process: int) -> int:
    """Return the resident bytes of `process`, read from a living thread if its first is over."""
    pages = _read_pages(f"{PROC}/{process}/statm")
    if pages == 0:
        threads = f"{PROC}/{process}/task"
        with contextlib.suppress(OSError):
            names = os.listdir(threads)
            pages = max((_read_pages(f"{threads}/{name}/statm") for name in names), default=0)
    return pages * os.sysconf("SC_PAGE_SIZE")


def _read_pages(statm: str) -> int:
    try:
        return int(_read(statm).split()[1])
    except (OSError, IndexError):
        return 0


def _read_proportional(process: int, otherwise: int) -> int:
    """Return the bytes that `process` holds, shared pages divided; `otherwise` if unreadable."""
    try:
        lines = _read(f"{PROC}/{process}/smaps_rollup").splitlines()
    except OSError:
        return otherwise
    kilobytes = [int(line.split()[1]) for line in lines if line.startswith((b"Pss:", b"SwapPss:"))]
    return 1024 * sum(kilobytes) if kilobytes else otherwise


def measure_files(folder: str, processes: list[int]) -> int:
    """Return the bytes of the files in `folder`, and of deleted ones that `processes` keep open.

    A folder of more than `MAX_FILES` files counts as boundless: the answer is `2**63`.
    """
    sizes: dict[tuple[int, int], int] = {}
    folders = [folder]
    num_files = 0
    while folders:
        with contextlib.suppress(OSError), os.scandir(folders.pop()) as files:
            for file in files:
                num_files += 1
                if num_files > MAX_FILES:
                    return 2**63
                _add_size(sizes, file.stat(follow_symlinks=False))
                if file.is_dir(follow_symlinks=False):
                    folders.append(file.path)
    for process in processes:
        with contextlib.suppress(OSError), os.scandir(f"{PROC}/{process}/fd") as descriptors:
            for descriptor in descriptors:
                opened = os.stat(descriptor.path)
                if stat.S_ISREG(opened.st_mode) and opened.st_nlink == 0:
                    _add_size(sizes, opened)
    return sum(sizes.values())


def _add_size(sizes: dict[tuple[int, int], int], file: os.stat_result) -> None:
    blocks = getattr(file, "st_blocks", None)  # Windows does not say
    sizes[file.st_dev, file.st_ino] = file.st_size if blocks is None else 512 * blocks
