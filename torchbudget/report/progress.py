"""A line on the terminal while the judge works: what it judges, for how long, how much is left."""

import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TextIO

COLUMNS = 80
ERASE = "\r\x1b[2K"
"""Return to the first column and erase the line."""

Step = tuple[str, str]
"""(entry, gate)."""


class LiveLine:
    """The line; where it is not enabled, nothing is written.

    It is enabled on a terminal only: a log or a pipe would keep what is meant to go.
    """

    def __init__(
        self,
        stream: TextIO | None = None,
        *,
        enabled: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream or sys.stderr
        self._enabled = self._stream.isatty() if enabled is None else enabled
        self._clock = clock
        self._began = clock()
        self._left: list[Step] = []
        self._current: Step | None = None
        self._since = self._began
        self._seconds: dict[str, list[float]] = defaultdict(list)

    def start(self, steps: Sequence[Step]) -> None:
        """Begin to count; `steps` are all that will be judged, in their order."""
        self._began = self._clock()
        self._left = list(steps)

    def show(self, entry: str, gate: str) -> None:
        """Show what is judged from now on."""
        now = self._clock()
        self._finish(now)
        self._current = (entry, gate)
        self._since = now
        if self._current in self._left:
            self._left.remove(self._current)
        self._write(describe_step(entry, gate, now - self._began, self.estimate_left()))

    def close(self) -> None:
        """Erase the line."""
        if self._enabled and self._current is not None:
            self._stream.write(ERASE)
            self._stream.flush()
        self._current = None

    def estimate_left(self) -> float | None:
        """Seconds for the current step and those left, by the mean of each gate so far.

        None while a gate that is still to come was not timed.
        """
        steps = [self._current, *self._left] if self._current else self._left
        total = 0.0
        for _, gate in steps:
            times = self._seconds[gate]
            if not times:
                return None
            total += sum(times) / len(times)
        return total

    def _finish(self, now: float) -> None:
        if self._current is not None:
            self._seconds[self._current[1]].append(now - self._since)

    def _write(self, text: str) -> None:
        if self._enabled:
            self._stream.write(f"{ERASE}{text}")
            self._stream.flush()


def describe_step(entry: str, gate: str, seconds: float, left: float | None) -> str:
    """The line, of fewer than 80 columns: where the names are too long, they are cut."""
    times = f"  {seconds:.0f} s so far"
    if left is not None:
        times += f", about {left:.0f} s left"
    name = f"{entry}: {gate}"
    room = COLUMNS - 1 - len(times)
    if len(name) > room:
        name = f"{name[: room - 3]}..."
    return f"{name}{times}"
