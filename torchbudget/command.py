"""Run the main function of a command: every failure that is no bug is one line and an exit code.

    if __name__ == "__main__":
        end_on_interrupt("train.py")   # before torch is imported

    if __name__ == "__main__":
        sys.exit(run_main(main, "train.py"))

This module imports neither torch nor numpy, so that wrong usage is answered at once.
"""

import argparse
import contextlib
import errno
import io
import os
import re
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType, TracebackType
from typing import IO, Any, NoReturn

from torchbudget.errors import (
    EXIT_INTERRUPTED,
    EXIT_PASS,
    EXIT_UNMEASURED,
    Interrupted,
    TorchBudgetError,
    UsageError,
)
from torchbudget.reading import is_out_of_memory
from torchbudget.report.text import as_one_line
from torchbudget.suggestion import suggest

OUT_OF_MEMORY = "out of memory: close other programs, use a machine with more, or judge less"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a disk that holds no more; a file that is written is named, the standard output not."""
SIGNALS = [
    getattr(signal, name)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")
    if hasattr(signal, name)
]
"""What ends a command in one line: Ctrl-C, kill, a terminal that is closed."""
MAX_NUMBER = 2**63 - 1
"""The largest integer that a record and torch's generators hold."""
MAX_MESSAGE = 2_000
"""Characters of a message that are printed."""


def run_main(main: Callable[[], int | None], prog: str, *, outlive_reader: bool = False) -> int:
    """Call `main` and return the exit code of the process; None counts as 0.

    A `TorchBudgetError` ends with the exit code of its class, Ctrl-C with 130, SIGTERM with 143
    and SIGHUP with 129, a file that cannot be read or written and lacking memory with 3. Each
    prints one line, which begins with `prog`, on stderr. Where the reader of a pipe is gone,
    nothing is printed and the code is 3; with `outlive_reader`, `main` goes on as if it were still
    there. `SystemExit` passes. Any other exception is a bug and shows its traceback.
    """
    prepare_streams()
    with _noticing_interrupts() as interrupts:
        try:
            stdout = _Outliving(sys.stdout) if outlive_reader else sys.stdout
            with contextlib.redirect_stdout(stdout):
                code = main()
                sys.stdout.flush()
            return EXIT_PASS if code is None else code
        except SystemExit:
            raise
        except BaseException as error:
            if interrupts and not isinstance(error, Interrupted):
                error = KeyboardInterrupt()  # whatever the library that it interrupted made of it
            message, code = _describe(error)
            if interrupts:
                code = _exit_code(interrupts[-1])
                if isinstance(error, KeyboardInterrupt):
                    message = _describe_signal(interrupts[-1])
            if message:
                complain(prog, message)
            return code
        finally:
            _release(sys.stdout, 1)
            _release(sys.stderr, 2)


def complain(prog: str, message: str) -> None:
    """Print "prog: message" on stderr as one line; nothing where stderr cannot be written."""
    with contextlib.suppress(OSError, ValueError):
        print(f"{prog}: {as_one_line(message)[:MAX_MESSAGE]}", file=sys.stderr, flush=True)


def _describe(error: BaseException) -> tuple[str, int]:
    """The line of an exception, "" for none, and its exit code; a bug is raised again."""
    if isinstance(error, TorchBudgetError):
        message = str(error) or type(error).__name__
        remedy = getattr(error, "remedy", "")
        return (f"{message}: {remedy}" if remedy else message), error.exit_code
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", EXIT_INTERRUPTED
    if isinstance(error, BrokenPipeError):
        return "", EXIT_UNMEASURED
    if is_out_of_memory(error):
        return OUT_OF_MEMORY, EXIT_UNMEASURED
    if isinstance(error, OSError):
        return _describe_os_error(error), EXIT_UNMEASURED
    raise error


def _describe_os_error(error: OSError) -> str:
    reason = error.strerror or str(error) or type(error).__name__
    if error.filename is not None:
        return f"{error.filename}: {reason}"
    return f"the output cannot be written: {reason}" if error.errno in FULL else reason


# --- the streams ----------------------------------------------------------------------------------


def prepare_streams() -> None:
    """Make stdout and stderr take any text: one that is closed counts as the null device.

    A character that the stream's encoding lacks is escaped.
    """
    for name in ("stdout", "stderr"):
        stream: IO[str] | None = getattr(sys, name)
        if stream is None or stream.closed:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


class _Outliving:
    """A text stream that goes on to the null device when its reader is gone."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """As the stream writes."""
        with contextlib.suppress(BrokenPipeError):
            self._stream.write(text)
            return len(text)
        _release(self._stream, 1)
        return len(text)

    def flush(self) -> None:
        """As the stream flushes."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            _release(self._stream, 1)


def _is_broken(stream: IO[str]) -> bool:
    """Whether what is left to be written to a stream cannot be written."""
    try:
        stream.flush()
    except (OSError, ValueError):
        return True
    return False


def _release(stream: IO[str], descriptor: int) -> None:
    """Point a stream that cannot be written at the null device: Python flushes it at its end."""
    if not _is_broken(stream):
        return
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, descriptor)
        os.close(null)


# --- threads --------------------------------------------------------------------------------------


def let_threads_sleep() -> None:
    """Let torch's threads sleep while they wait, if nothing else says how they wait.

    Beside a busy process threads that spin make the judge's small operations twice as slow, or ten
    times. It has an effect only before torch is imported.
    """
    if "torch" not in sys.modules:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


# --- signals --------------------------------------------------------------------------------------


def end_on_interrupt(prog: str) -> None:
    """From now on, until `run_main`, Ctrl-C prints one line and ends the process with 130.

    SIGTERM does so with 143, SIGHUP with 129, and too little memory for the imports with 3. A
    program calls it before it imports torch, which takes seconds and turns a `KeyboardInterrupt`
    into errors of its own. Nothing is begun yet that would be left half-done.
    """

    def end(number: int, frame: FrameType | None) -> NoReturn:
        complain(prog, _describe_signal(number))
        os._exit(_exit_code(number))

    def end_without_memory(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if is_out_of_memory(error):
            complain(prog, OUT_OF_MEMORY)
            os._exit(EXIT_UNMEASURED)
        sys.__excepthook__(kind, error, trace)

    sys.excepthook = end_without_memory
    for number in SIGNALS:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, end)


def _exit_code(number: int) -> int:
    """What a shell says of a command that a signal ended."""
    return EXIT_INTERRUPTED if number == signal.SIGINT else 128 + number


def _describe_signal(number: int) -> str:
    return "interrupted" if number == signal.SIGINT else f"ended by {signal.Signals(number).name}"


@contextlib.contextmanager
def _noticing_interrupts() -> Iterator[list[int]]:
    """The signals that came: Ctrl-C, SIGTERM or SIGHUP; each raises `KeyboardInterrupt`.

    A signal that is ignored (Ctrl-C in a job in the background, SIGHUP under nohup) stays ignored.
    Signals are for the main thread to handle; elsewhere the list stays empty.
    """
    interrupts: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield interrupts
        return

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        interrupts.append(number)
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in SIGNALS}
    # None is a handler that is not Python's, and cannot be put back by it.
    heard = [number for number, known in before.items() if known not in (signal.SIG_IGN, None)]
    for number in heard:
        signal.signal(number, interrupt)
    try:
        yield interrupts
    finally:
        for number in heard:
            signal.signal(number, before[number])


# --- the words ------------------------------------------------------------------------------------


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Wraps paragraphs; a line of columns stays one, its last column is wrapped."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        lines: list[str] = []
        for paragraph in text.strip().split("\n\n"):
            own_lines = paragraph.splitlines()
            if any(line.startswith(" ") or "  " in line for line in own_lines):
                lines += [part for line in own_lines for part in _wrap_columns(line, width)]
            else:
                lines += textwrap.wrap(paragraph, width)
            lines.append("")
        return textwrap.indent("\n".join(lines), indent)


def _wrap_columns(line: str, width: int) -> list[str]:
    """The line, or as many as it takes to have its last column within `width`."""
    columns = re.fullmatch(r"( *\S.*? {2,})(\S.*)", line)
    if len(line) <= width or columns is None:
        return [line]
    first, last = columns.groups()
    mark = "# " if last.startswith("# ") else ""
    parts = textwrap.wrap(last.removeprefix(mark), width - len(first) - len(mark))
    before = [first, *[" " * len(first)] * (len(parts) - 1)]
    return [f"{blank}{mark}{part}" for blank, part in zip(before, parts, strict=True)]


class Parser(argparse.ArgumentParser):
    """A parser that takes no abbreviated flags, and whose errors are `UsageError`s.

    An unknown word is answered with the one that it is close to.
    """

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", HelpFormatter)
        super().__init__(allow_abbrev=False, **settings)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; {self.prog} --help lists what it takes")

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """The options; none are left over: the first unknown word is an error."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            word = unknown[0].partition("=")[0]
            self.error(f"unknown {word!r}{suggest(word, self._option_string_actions)}")
        return options, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            choices = [str(choice) for choice in action.choices]
            hint = suggest(str(value), choices)
            named = action.metavar if isinstance(action.metavar, str) else action.dest
            self.error(f"{named}: no {value!r}{hint}; there are {', '.join(choices)}")


def whole_number(text: str) -> int:
    """A number from 0 that a record can hold."""
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    if number > MAX_NUMBER:
        raise argparse.ArgumentTypeError(f"{text[:40]} is more than {MAX_NUMBER}")
    return number


def positive_number(text: str) -> float:
    """A finite number above 0."""
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def shard_number(text: str) -> tuple[int, int]:
    """Which part of how many: "2/5"."""
    number, slash, count = text.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count)):
        raise argparse.ArgumentTypeError(f"{text} is no part of a whole, such as 2/5")
    return int(number), int(count)


def positive_whole_number(text: str) -> int:
    """A number from 1 that a record can hold."""
    number = whole_number(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number
