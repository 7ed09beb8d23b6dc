"""What a command prints and returns where its main function raises."""

import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from torchbudget.command import as_one_line, run_main
from torchbudget.errors import TorchBudgetError, Unmeasurable


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


def test_running_a_main_needs_neither_torch_nor_numpy():
    program = (
        "import sys, torchbudget.command; print({'torch', 'numpy', 'msgspec'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n"
