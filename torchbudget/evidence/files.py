"""Files written whole or not at all, and never in the place of what is read."""

import contextlib
import errno
import hashlib
import os
import re
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from torchbudget.errors import UsageError
from torchbudget.reading import follow_links

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

Content = str | bytes | Callable[[Path], object]
"""Text (UTF-8), bytes, or a function that writes the file whose path it is given."""
PARTIAL_SUFFIX = ".partial"
"""How the name ends of a file that is being written; it begins with a dot."""
OLD = 86_400.0
"""Seconds after which it counts as abandoned on Windows, where no lock tells."""


def write_atomically(path: Path, content: Content) -> None:
    """Write beside `path`, then replace it: a reader sees the old file or the new one.

    What killed writers of `path` left beside it is removed. A link stays, and the file that it
    leads to is replaced. A pipe or a device stays, and is written to. Raises an `OSError` that
    names `path`.
    """
    target = follow_links(path)
    try:
        if target.is_symlink():
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if target.exists() and not stat.S_ISREG(target.stat().st_mode):
            _write_through(target, content)
        else:
            _replace(target, content)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error


def _replace(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent, path.name)
    with _open_partial(path) as partial:
        _write(partial, content)
        with open(partial, "rb+") as written:
            os.fsync(written.fileno())
        partial.chmod(0o644)
        os.replace(partial, path)


@contextlib.contextmanager
def _open_partial(path: Path) -> Iterator[Path]:
    """A new file beside `path` that only this process writes; afterwards it is gone."""
    while True:
        prefix = f".{path.name[:100]}."
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=PARTIAL_SUFFIX)
        if fcntl is None:
            os.close(handle)
            break
        with contextlib.suppress(OSError):  # a file system without locks: it is never cleaned
            fcntl.flock(handle, fcntl.LOCK_SH)
        if os.fstat(handle).st_nlink:
            break
        os.close(handle)  # another process took it for abandoned before it was locked
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)
        if fcntl is not None:
            os.close(handle)


def remove_abandoned(folder: Path, name: str = "") -> None:
    """Remove what killed writers left in `folder`: no process holds its lock any more.

    With a `name`, only what is left of the file of that name.
    """
    names = re.escape(name[:100]) if name else ".+"
    pattern = re.compile(rf"\.{names}\.[a-z0-9_]{{8}}{re.escape(PARTIAL_SUFFIX)}")
    for entry in os.scandir(folder):
        if pattern.fullmatch(entry.name):
            with contextlib.suppress(OSError):
                _remove_unless_held(entry.path)


def _remove_unless_held(path: str) -> None:
    if fcntl is None:
        if time.time() - os.stat(path).st_mtime > OLD:
            os.unlink(path)
        return
    with open(path, "rb+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(path)


def _write_through(path: Path, content: Content) -> None:
    """Write to what cannot be replaced: a pipe or a device."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "content"
        _write(whole, content)
        with open(path, "wb") as file:
            file.write(whole.read_bytes())


def _write(path: Path, content: Content) -> None:
    if isinstance(content, str):
        path.write_text(content, encoding="utf-8", errors="backslashreplace")
    elif isinstance(content, bytes):
        path.write_bytes(content)
    else:
        content(path)


def check_outputs(
    outputs: Mapping[str, Path], inputs: Iterable[Path], folders: Iterable[Path] = ()
) -> None:
    """Raise `UsageError` where a command would write over what it reads.

    `outputs` are by the option that names each. An output may be none of the `inputs`, whatever
    link it is named by, no file that is already in one of the `folders`, no Python file, and no
    other output.
    """
    read = [follow_links(path) for path in inputs]
    kept = [follow_links(folder) for folder in folders]
    written: dict[Path, str] = {}
    for option, path in outputs.items():
        target = follow_links(path)
        if target in read or any(_is_same(target, other) for other in read):
            raise UsageError(f"{option} {path} would replace what this command reads")
        if target.is_file() and any(target.is_relative_to(folder) for folder in kept):
            raise UsageError(f"{option} {path} would replace what this command reads")
        if target.suffix == ".py":
            raise UsageError(f"{option} {path} names a Python file, which is never written")
        if target in written and not _is_stream(target):
            raise UsageError(f"{option} and {written[target]} both write {path}")
        written[target] = option


def _is_same(path: Path, other: Path) -> bool:
    """Whether two paths lead to one file, such as two hard links."""
    try:
        return path.is_file() and os.path.samefile(path, other)
    except OSError:
        return False


def _is_stream(path: Path) -> bool:
    """Whether a path is a pipe or a device, which several outputs may write to."""
    return path.exists() and not path.is_file()


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
