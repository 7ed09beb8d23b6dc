"""One view of all jobs: a table in a terminal, lines elsewhere."""

import io

import pytest
from rich.console import Console

from utils.events import Begun, Done, EpochDone, Lost
from utils.progress import ProgressView, show_time


def epoch(job: str, done: int) -> EpochDone:
    return EpochDone(
        job=job, done=done, epochs=4, train_loss=0.5, val_misses=40 - done, seconds_left=90.0
    )


def feed(view: ProgressView) -> None:
    for job in ("a", "b"):
        view.show(Begun(job=job, epochs=4))
    view.show(epoch("a", 1))
    view.show(epoch("b", 2))
    view.show(Done(job="a"))


def test_a_terminal_shows_who_is_where_and_what_is_left():
    view = ProgressView(5, 2, {"a": "slim, seed 0", "b": "slim, seed 1"})
    view.console = Console(file=io.StringIO(), force_terminal=True, width=80, color_system=None)
    feed(view)
    view.show(Begun(job="c", epochs=4))
    view.console.print(view.draw())
    lines = view.console.file.getvalue().splitlines()
    assert all(len(line) <= 80 for line in lines)
    (row,) = [line.split() for line in lines if line.startswith("slim, seed 1")]
    assert row[3:] == ["2/4", "38", "2", "min"]
    assert any(line.startswith("1 of 5 done") for line in lines)
    assert view.seconds_left() >= 90


def test_elsewhere_each_epoch_is_a_line_and_a_lost_worker_too(capsys):
    with ProgressView(2, 2, {"a": "slim, seed 0"}) as view:
        feed(view)
        view.show(Lost(job="b", why="killed by SIGKILL"))
    assert capsys.readouterr().out.splitlines() == [
        "slim, seed 0: epoch 1/4, loss 0.5000, val 39 misses, 2 min left",
        "b: epoch 2/4, loss 0.5000, val 38 misses, 2 min left",
        "b: its worker was lost (killed by SIGKILL)",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (90, "2 min"), (12_000, "3 h 20 min")]
)
def test_times_are_short(seconds, text):
    assert show_time(seconds) == text
