"""The boundary of whatever others have written: a file is read, or one error names it.

A reader raises what its format and the bytes lead to: a struct's error, a recursion that is too
deep, a number that overflows. No list of these is ever whole. So each reader of files stands inside
`reading`, which makes one error of ours of any exception.
"""

import os
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torchbudget.errors import TorchBudgetError
from torchbudget.report.text import first_line

MAX_REASON = 200
"""Characters of a reader's own words that a message repeats."""
OUT_OF_MEMORY = (
    *("can't allocate memory", "not enough memory", "out of memory"),
    *("cannot allocate memory", "failed to map segment", "can't start new thread"),
)
"""Parts of what torch, Python's threads and the loader of libraries say where memory ran out."""


@contextmanager
def reading(
    path: Path | str, error: type[TorchBudgetError], problem: str, advice: str = ""
) -> Iterator[None]:
    """Whatever reading `path` raises becomes an `error` that names the file and what to do.

    `problem` says what is wrong with a damaged file, "is corrupt", and `advice` what to do about
    it. A file that the system does not give, or that memory does not hold, is not called damaged.
    Errors of ours pass, and so do Ctrl-C and the end of the process. Warnings of a reader are not
    shown: what they are about is read, or refused here.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except TorchBudgetError:
        raise
    except OSError as cause:
        if cause.strerror is None:
            raise _to_error(path, error, problem, advice, cause) from cause
        raise error(f"{path} cannot be read: {cause.strerror}") from cause
    except Exception as cause:
        if is_out_of_memory(cause):
            raise error(f"{path} cannot be read: it takes more memory than there is") from cause
        raise _to_error(path, error, problem, advice, cause) from cause


def _to_error(
    path: Path | str,
    error: type[TorchBudgetError],
    problem: str,
    advice: str,
    cause: Exception,
) -> TorchBudgetError:
    """The error of a damaged file. What torch says of a pickle is advice to run its code."""
    reason = first_line(cause)[:MAX_REASON]
    if isinstance(cause, pickle.UnpicklingError):
        reason = type(cause).__name__
    message = f"{path} {problem}: {reason}"
    return error(f"{message}; {advice}" if advice else message)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory ran out."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError | ImportError | OSError):
        return False
    return any(part in str(error).lower() for part in OUT_OF_MEMORY)


def follow_links(path: Path) -> Path:
    """The absolute path behind all links; a link that leads to itself is returned as it is."""
    return Path(os.path.realpath(path))
