"""The times of a run: such as clocks could have shown on the hardware that it names."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from torchbudget.evidence.results import Run

CLOCK = 0.001
"""Seconds by which each rounded time may be off."""
MAX_AHEAD = timedelta(minutes=10)
"""By how much the clock of another machine may be ahead of this one's."""
FIRST_DAY = datetime(2017, 1, 18, tzinfo=UTC)
"""PyTorch's first public release: no run is older."""

CORE_SPEED = 1024 * 6e9
"""Multiply-adds a second of a processor's core: 1,024 of bfloat16 a cycle, which Intel's AMX takes
(Intel 64 and IA-32 Architectures Optimization Reference Manual, chapter on AMX), at 6 GHz, more
than any core runs at."""
MAX_CORES = 1024
ACCELERATOR_SPEED = 1e16
"""The same of an accelerator: several times what the fastest of 2025 takes in 16 bits."""
FAST_ALGORITHMS = 4.0
"""By how much Winograd's and other algorithms may reduce the multiplications (Lavin & Gray 2016:
2.25 for 3x3 kernels in 4x4 tiles, 4 for larger tiles)."""
MIN_STEP = 5e-6
"""Seconds that no optimizer step goes below: it starts several kernels, a microsecond each."""


def find_impossible_times(run: Run) -> Iterator[str]:
    """What no clock could have shown of a training: sums that differ, less than the work takes."""
    summed = sum(row.seconds for row in run.history)
    if summed > (run.train_seconds or 0.0) + CLOCK * (len(run.history) + 1):
        yield (
            f"the epochs took {summed:.1f} s, the whole training {run.train_seconds or 0.0:.1f} s"
        )
    least = least_seconds(run)
    if run.train_seconds is not None and run.train_seconds + CLOCK < least:
        yield (
            f"trained in {run.train_seconds} s; {run.steps:,} steps of {run.multiply_adds:,} "
            f"multiply-adds an image take at least {least:.2g} s on any such hardware"
        )
    for number, row in enumerate(run.history, 1):
        if row.seconds <= 0 or row.seconds + CLOCK < least / len(run.history):
            yield f"epoch {number} took {row.seconds} s, less than its multiply-adds can take"


def find_impossible_dates(run: Run) -> Iterator[str]:
    """How `started` is no date, or not one between PyTorch's first and now, less its seconds."""
    started = read_time(run.started)
    if started is None:
        yield f"started {run.started!r} is no time with an offset, as 2026-11-22T14:31:14+00:00 is"
        return
    if started < FIRST_DAY:
        yield f"started {run.started}, before there was PyTorch"
    latest = datetime.now(UTC) + MAX_AHEAD
    left = (latest - started).total_seconds()
    if left < 0:
        yield f"started {run.started}, which is still to come"
    elif run.total_seconds > left:
        yield f"started {run.started} and took {run.total_seconds} s: its end is still to come"


def read_time(text: str) -> datetime | None:
    """An ISO 8601 time with an offset, in the form that Python writes; None for any other text."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        return None
    return time if time.tzinfo is not None and time.isoformat() == text else None


def least_seconds(run: Run) -> float:
    """The least time in which hardware of the run's kind can take its steps.

    Each image of each batch goes through the network once, forwards: what the gradients take, and
    all that feeds the network, is left out.
    """
    if run.steps is None or run.batch_size is None:
        return 0.0
    speed = ACCELERATOR_SPEED
    if run.hardware.device == run.hardware.cpu:
        speed = CORE_SPEED * min(run.hardware.cores or MAX_CORES, MAX_CORES)
    products = run.steps * run.batch_size * run.multiply_adds
    return max(products / (speed * FAST_ALGORITHMS), run.steps * MIN_STEP)
