"""One view of all jobs: a table that is kept up to date in a terminal, else plain lines."""

import time
from dataclasses import dataclass
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from utils.events import Begun, Done, EpochDone, Failed, Happened, Lost, Stopped


@dataclass
class Row:
    """A job in hand, as it is shown."""

    epoch: str
    misses: str = ""
    seconds_left: float | None = None


class ProgressView:
    """Shows which job is in which epoch, its misses of val, and the time that is left.

    `labels` are the names of jobs as people read them. A job that is not among them is labelled by
    its own name. `num_jobs` are all that will be done, and `num_at_once` those that run at a time.
    """

    def __init__(self, num_jobs: int, num_at_once: int, labels: dict[str, str]) -> None:
        self.console = Console(highlight=False)
        self.num_jobs = num_jobs
        self.num_at_once = max(num_at_once, 1)
        self.labels = labels
        self.began = time.monotonic()
        self.running: dict[str, Row] = {}
        self.num_ended = 0
        self.ended_seconds: list[float] = []
        self.started: dict[str, float] = {}
        self.live = Live(console=self.console, auto_refresh=False, transient=True)

    def __enter__(self) -> "ProgressView":
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def show(self, event: Happened) -> None:
        """Take up an event, and print what is worth a line."""
        name = event.job
        if isinstance(event, Begun):
            self.started[name] = time.monotonic()
            self.running[name] = Row(epoch=f"0/{event.epochs}")
        elif isinstance(event, EpochDone):
            self._show_epoch(event)
        elif isinstance(event, Lost):
            self.running.pop(name, None)
            self.say(f"{self.label(name)}: its worker was lost ({event.why})")
        elif isinstance(event, Done | Stopped | Failed):
            self.running.pop(name, None)
            self.num_ended += 1
            if name in self.started:
                self.ended_seconds.append(time.monotonic() - self.started.pop(name))
        self.refresh()

    def _show_epoch(self, event: EpochDone) -> None:
        misses = "" if event.val_misses is None else str(event.val_misses)
        self.running[event.job] = Row(
            epoch=f"{event.done}/{event.epochs}",
            misses=misses,
            seconds_left=event.seconds_left,
        )
        if not self.console.is_terminal:
            on_val = f", val {misses} misses" if misses else ""
            self.say(
                f"{self.label(event.job)}: epoch {event.done}/{event.epochs}, "
                f"loss {event.train_loss:.4f}{on_val}, {show_time(event.seconds_left)} left"
            )

    def label(self, name: str) -> str:
        return self.labels.get(name, name)

    def say(self, text: str) -> None:
        """Print lines above the table."""
        self.console.print(text, markup=False, soft_wrap=True)

    def refresh(self) -> None:
        """Draw the table anew, where there is one."""
        if self.live.is_started:
            self.live.update(self.draw(), refresh=True)

    def draw(self) -> Table:
        """The jobs in hand, and a line for all."""
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0))
        for heading, justify in (("run", "left"), ("epoch", "right"), ("val misses", "right")):
            table.add_column(heading, justify=justify)
        table.add_column("left", justify="right")
        for name, row in self.running.items():
            left = "" if row.seconds_left is None else show_time(row.seconds_left)
            table.add_row(self.label(name), row.epoch, row.misses, left)
        passed = show_time(time.monotonic() - self.began)
        summary = f"{self.num_ended} of {self.num_jobs} done in {passed}"
        left = self.seconds_left()
        table.add_row(summary, "", "", "" if left is None else show_time(left))
        return table

    def seconds_left(self) -> float | None:
        """Until all is done, if later jobs take as long as those before; None before any is."""
        if not self.ended_seconds:
            return None
        pace = sum(self.ended_seconds) / len(self.ended_seconds)
        waiting = self.num_jobs - self.num_ended - len(self.running)
        in_hand = [0.0]
        for row in self.running.values():
            in_hand.append(pace if row.seconds_left is None else row.seconds_left)
        return max(in_hand) + pace * max(waiting, 0) / self.num_at_once


def show_time(seconds: float) -> str:
    """As in "45 s", "12 min" and "3 h 20 min"."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
