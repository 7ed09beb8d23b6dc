"""Run the main function of a command: every failure that is no bug is one line and an exit code.

    if __name__ == "__main__":
        sys.exit(run_main(main, "train.py"))

This module imports neither torch nor numpy, so that wrong usage is answered at once.
"""

import os
import sys
from collections.abc import Callable

from torchbudget.errors import (
    EXIT_INTERRUPTED,
    EXIT_PASS,
    EXIT_UNMEASURED,
    TorchBudgetError,
)

OUT_OF_MEMORY = "out of memory: close other programs, use a machine with more, or judge less"
TORCH_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")
"""Parts of the messages of the `RuntimeError`s by which torch says that memory ran out."""


def run_main(main: Callable[[], int | None], prog: str) -> int:
    """Call `main` and return the exit code of the process; None counts as 0.

    A `TorchBudgetError` ends with the exit code of its class, Ctrl-C with 130, a file that
    cannot be read or written and lacking memory with 3. Each prints one line, which begins with
    `prog`, on stderr. Where the reader of a pipe is gone, nothing is printed and the code is 3.
    `SystemExit` passes. Any other exception is a bug and shows its traceback.
    """
    try:
        return _call(main)
    except TorchBudgetError as error:
        complain(prog, _describe(error))
        return error.exit_code
    except KeyboardInterrupt:
        complain(prog, "interrupted")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        _discard_stdout()
        return EXIT_UNMEASURED
    except OSError as error:
        complain(prog, _describe_os_error(error))
        return EXIT_UNMEASURED
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        complain(prog, OUT_OF_MEMORY)
        return EXIT_UNMEASURED


def complain(prog: str, message: str) -> None:
    """Print "prog: message" on stderr as one line."""
    print(f"{prog}: {as_one_line(message)}", file=sys.stderr)


def as_one_line(text: str) -> str:
    """The text with runs of white space as one space, and control characters escaped."""
    words = " ".join(text.split())
    characters = []
    for character in words:
        if character.isprintable():
            characters.append(character)
        else:
            characters.append(character.encode("unicode_escape", "surrogatepass").decode("ascii"))
    return "".join(characters)


def _call(main: Callable[[], int | None]) -> int:
    """The exit code of `main`, after all that it printed has been written."""
    try:
        code = main()
    finally:
        sys.stdout.flush()
    return EXIT_PASS if code is None else code


def _describe(error: TorchBudgetError) -> str:
    message = str(error) or type(error).__name__
    remedy = getattr(error, "remedy", "")
    return f"{message}: {remedy}" if remedy else message


def _describe_os_error(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename is not None else reason


def _is_out_of_memory(error: MemoryError | RuntimeError) -> bool:
    if isinstance(error, MemoryError):
        return True
    return any(part in str(error) for part in TORCH_OUT_OF_MEMORY)


def _discard_stdout() -> None:
    """Point stdout at the null device: Python flushes it once more when the process ends."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
