"""The live line: on a terminal only, within 80 columns, and gone at the end."""

import io

from hypothesis import given
from hypothesis import strategies as st

from torchbudget.report.progress import COLUMNS, ERASE, LiveLine, describe_step

STEPS = [("slim", "params"), ("slim", "accuracy"), ("net3", "params"), ("net3", "accuracy")]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show_all(stream: io.StringIO) -> str:
    """What is written while each step takes as many seconds as it has letters in its gate."""
    times = iter([0, 0, 0, 6, 14, 20])
    line = LiveLine(stream, clock=lambda: next(times))
    line.start(STEPS)
    for entry, gate in STEPS:
        line.show(entry, gate)
    line.close()
    return stream.getvalue()


def test_a_log_or_a_pipe_gets_nothing():
    assert show_all(io.StringIO()) == ""


def test_the_line_names_entry_and_gate_and_estimates_once_every_gate_was_timed():
    written = show_all(Terminal()).split(ERASE)
    assert written == [
        "",
        "slim: params  0 s so far",
        "slim: accuracy  6 s so far",
        "net3: params  14 s so far, about 14 s left",
        "net3: accuracy  20 s so far, about 8 s left",
        "",
    ]


@given(st.text("ab_", max_size=200), st.floats(0, 1e6), st.none() | st.floats(0, 1e6))
def test_the_line_never_wraps_at_80_columns(entry, seconds, left):
    assert len(describe_step(entry, "structure", seconds, left)) < COLUMNS
