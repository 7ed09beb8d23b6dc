"""What a command prints and returns where its main function raises."""

import argparse
import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.command import SIGNALS, Parser, as_one_line, run_main, whole_number
from torchbudget.errors import Interrupted, TorchBudgetError, Unmeasurable, UsageError


def list_errors(root: type[TorchBudgetError] = TorchBudgetError) -> list[type[TorchBudgetError]]:
    """The class and all that inherit from it."""
    errors = [root]
    for child in root.__subclasses__():
        if child.__module__ == root.__module__:
            errors += list_errors(child)
    return errors


def raise_it(error: BaseException) -> int:
    raise error


ERRORS = list_errors()


def test_the_tree_of_errors_is_swept():
    assert len(ERRORS) >= 12
    assert {error.exit_code for error in ERRORS} == {1, 2, 3, 130}


@pytest.mark.parametrize("kind", ERRORS)
def test_an_error_of_the_tree_is_one_line_and_the_exit_code_of_its_class(kind, capsys):
    words = ("first\nsecond", "do\tthis") if issubclass(kind, Unmeasurable) else ("first\nsecond",)
    error = kind(*words)
    code = run_main(lambda: raise_it(error), "judge")
    printed = capsys.readouterr()
    assert code == kind.exit_code
    assert printed.out == ""
    assert printed.err.splitlines() == [f"judge: {as_one_line(': '.join(words))}"]


@given(st.text())
def test_any_text_becomes_one_printable_line(text):
    line = as_one_line(text)
    assert line.isprintable()
    assert len(line.splitlines()) <= 1
    assert as_one_line(line) == line


@pytest.mark.parametrize(("result", "code"), [(None, 0), (0, 0), (1, 1), (3, 3)])
def test_the_result_of_main_is_the_exit_code(result, code):
    assert run_main(lambda: result, "judge") == code


def test_a_file_that_cannot_be_opened_is_named(tmp_path, capsys):
    path = tmp_path / "nowhere" / "file"
    assert run_main(lambda: path.write_text(""), "judge") == 3
    assert capsys.readouterr().err == f"judge: {path}: No such file or directory\n"


@pytest.mark.parametrize("make", [lambda: bytearray(2**60), lambda: torch.empty(2**50)])
def test_lacking_memory_is_one_line(make, capsys):
    assert run_main(lambda: len(make()), "judge") == 3
    printed = capsys.readouterr().err
    assert printed.startswith("judge: out of memory")
    assert printed.count("\n") == 1


def test_too_little_memory_for_the_imports_is_one_line():
    command = f"ulimit -v 300000; exec {sys.executable} train.py slim"
    done = subprocess.run(["bash", "-c", command], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stderr.count("\n")) == (3, 1)
    assert done.stderr.startswith("train.py: out of memory")


def test_an_interruption_is_one_line(capsys):
    assert run_main(lambda: raise_it(KeyboardInterrupt()), "judge") == 130
    assert capsys.readouterr().err == "judge: interrupted\n"


@pytest.mark.parametrize("bug", [RuntimeError("shape"), KeyError("key"), SystemExit(2)])
def test_a_bug_keeps_its_traceback_and_an_exit_passes(bug):
    with pytest.raises(type(bug)):
        run_main(lambda: raise_it(bug), "judge")


def test_a_reader_that_is_gone_leaves_no_word():
    program = (
        "import sys; from torchbudget.command import run_main\n"
        "sys.exit(run_main(lambda: print('x' * 2**20), 'judge'))"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 3


def test_a_main_that_outlives_its_reader_ends_its_work_with_its_own_code(tmp_path):
    """`train.py | head -1` trains to the end, and a passing `check | head -1` passes."""
    program = (
        "import sys; from pathlib import Path; from torchbudget.command import run_main\n"
        "def main():\n"
        "    for line in range(9): print('x' * 2**17, flush=True)\n"
        f"    Path({str(tmp_path / 'done')!r}).touch()\n"
        "sys.exit(run_main(main, 'judge', outlive_reader=True))"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0 and (tmp_path / "done").exists()


# --- the streams ----------------------------------------------------------------------------------

PRINT = """
import sys
from torchbudget.command import run_main
sys.exit(run_main(lambda: print("\\u00b7 " + "x" * 9000), "judge"))
"""


def run_shell(words: str, **environment: str) -> subprocess.CompletedProcess:
    """Run `PRINT` by a shell that sets up the streams."""
    settings = {**os.environ, "PROGRAM": PRINT, "PYTHON": sys.executable, **environment}
    command = ["bash", "-c", f'"$PYTHON" -c "$PROGRAM" {words}']
    return subprocess.run(command, capture_output=True, text=True, env=settings)


@pytest.mark.parametrize("words", [">&-", "2>&-", ">&- 2>&-", "> /dev/null"])
def test_a_closed_stream_counts_as_the_null_device(words):
    done = run_shell(words)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_full_disk_behind_stdout_is_one_line():
    done = run_shell("> /dev/full")
    assert done.returncode == 3
    assert done.stderr == "judge: the output cannot be written: No space left on device\n"


def test_a_full_disk_behind_both_streams_is_the_exit_code_alone():
    assert run_shell("> /dev/full 2>&1").returncode == 3


def test_an_encoding_that_lacks_a_character_escapes_it():
    done = run_shell("", PYTHONIOENCODING="ascii")
    assert done.returncode == 0 and done.stdout.startswith("\\xb7 x")


# --- Ctrl-C ---------------------------------------------------------------------------------------


@pytest.fixture
def heard_signals() -> Iterator[None]:
    """No signal is ignored, as SIGHUP is where the tests run under nohup."""
    before = {number: signal.signal(number, signal.SIG_DFL) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def import_interrupted() -> None:
    """As a library does whose import is interrupted: it raises an error of its own."""
    try:
        os.kill(os.getpid(), signal.SIGINT)
        signal.pause()
    except KeyboardInterrupt as error:
        raise ImportError("the library could not be imported") from error


def test_what_a_library_makes_of_an_interruption_is_an_interruption(capsys):
    assert run_main(import_interrupted, "judge") == 130
    assert capsys.readouterr().err == "judge: interrupted\n"


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "ended by SIGTERM"),
        (signal.SIGHUP, 129, "ended by SIGHUP"),
    ],
)
def test_a_signal_is_one_line_and_the_exit_code_of_a_shell(
    number, code, message, capsys, heard_signals
):
    def wait() -> None:
        os.kill(os.getpid(), number)
        signal.pause()

    assert run_main(wait, "judge") == code
    assert capsys.readouterr().err == f"judge: {message}\n"
    early = (
        "import os, signal; from torchbudget.command import end_on_interrupt\n"
        f"end_on_interrupt('judge'); os.kill(os.getpid(), {int(number)}); signal.pause()"
    )
    done = subprocess.run([sys.executable, "-c", early], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", f"judge: {message}\n")


def test_a_command_that_is_ended_keeps_its_own_words_on_how_to_continue(capsys, heard_signals):
    def train() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        except KeyboardInterrupt:
            raise Interrupted("continue by --resume") from None

    assert run_main(train, "train") == 143
    assert capsys.readouterr().err == "train: continue by --resume\n"


def test_a_signal_that_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run_main(lambda: os.kill(os.getpid(), signal.SIGHUP), "judge") == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_interruption_keeps_its_own_words_on_how_to_continue(capsys):
    assert run_main(lambda: raise_it(Interrupted("continue by --resume")), "judge") == 130
    assert capsys.readouterr().err == "judge: continue by --resume\n"


def test_a_command_leaves_the_handling_of_interruptions_as_it_was():
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    run_main(lambda: None, "judge")
    assert [signal.getsignal(number) for number in numbers] == before


ROOT = Path(__file__).resolve().parents[2]
PROGRAMS = "check predict search train bench/__main__ utils/augment utils/summary utils/table"
PROGRAMS += " utils/cards utils/pictures"


@pytest.mark.parametrize("program", PROGRAMS.split())
def test_a_program_answers_an_interruption_before_it_imports_anything_else(program):
    _, first, *_ = ast.parse((ROOT / f"{program}.py").read_text()).body
    assert isinstance(first, ast.If)
    assert ast.unparse(first.test) == "__name__ == '__main__'"
    assert "end_on_interrupt(" in ast.unparse(first.body)


# --- the words ------------------------------------------------------------------------------------


@pytest.fixture
def parser() -> Parser:
    parser = Parser(prog="judge")
    parser.add_argument("--untrusted", action="store_true")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("check").add_argument("--results")
    return parser


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--untrust", "unknown '--untrust' (did you mean --untrusted?)"),
        ("check --reslts=a", "unknown '--reslts' (did you mean --results?)"),
        ("chek", "no 'chek' (did you mean check?); there are check"),
        ("--zzzzzz", "unknown '--zzzzzz'; judge --help"),
    ],
)
def test_an_unknown_word_is_answered_with_the_one_it_is_close_to(words, message, parser):
    with pytest.raises(UsageError, match=re.escape(message)):
        parser.parse_args(words.split())


@pytest.mark.parametrize("text", ["-1", "1.5", "", "x", "9" * 40, str(2**63)])
def test_a_number_that_no_record_holds_is_no_number(text):
    with pytest.raises((ValueError, argparse.ArgumentTypeError)):
        whole_number(text)
    assert whole_number("0") == 0 and whole_number(str(2**63 - 1)) == 2**63 - 1


def test_running_a_main_needs_neither_torch_nor_numpy():
    program = (
        "import sys, torchbudget.command; print({'torch', 'numpy', 'msgspec'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n"
