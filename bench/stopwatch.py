"""Seconds of runs that take turns, their medians, and ratios with their spread.

The runs take turns so that a disturbance of the machine affects all of them.
"""

import statistics
import time
from collections.abc import Callable, Sequence

from tqdm import tqdm

BAR = "{desc} {percentage:3.0f}%|{bar}| {remaining} left"
Spread = dict[str, float | list[float]]
"""The median, lowest and highest value, and all values in the order of measurement."""


def spread(values: Sequence[float]) -> Spread:
    return {
        "median": statistics.median(values),
        "lowest": min(values),
        "highest": max(values),
        "all": list(values),
    }


def ratio(slow: Sequence[float], fast: Sequence[float]) -> Spread:
    """How many times longer `slow` took, pair by pair."""
    return spread([seconds / other for seconds, other in zip(slow, fast, strict=True)])


def seconds_of(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def take_turns(runs: dict[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """Call each run once a round, for `repeats` rounds; what each returned, by name.

    A terminal shows which run it is, and how much time is left.
    """
    values = {name: [] for name in runs}
    with tqdm(total=repeats * len(runs), bar_format=BAR, leave=False, disable=None) as bar:
        for number in range(repeats):
            for name, run in runs.items():
                bar.set_description(f"{name}, {number + 1} of {repeats}")
                values[name].append(run())
                bar.update()
    return values


def show(values: Spread, unit: str = "", digits: int = 2) -> str:
    """A median with its spread, "28.1 s (27.5 to 29.0)"."""
    median, lowest, highest = (
        f"{values[key]:,.{digits}f}" for key in ("median", "lowest", "highest")
    )
    return f"{median}{unit} ({lowest} to {highest})"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns of text, the first aligned left, the others right."""
    lines = [[str(cell) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in lines
    )
