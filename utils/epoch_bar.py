"""The progress bar of an epoch."""

from collections.abc import Iterable

from tqdm import tqdm

BAR = "{desc} {percentage:3.0f}%|{bar}| {remaining}{postfix}"
"""A progress bar whose figures fit a terminal of 80 columns."""


def open_bar(batches: Iterable, num_batches: int, title: str) -> tqdm:
    """A bar over `batches` under `title`; it shows nothing where stderr is no terminal."""
    return tqdm(batches, total=num_batches, desc=title, bar_format=BAR, leave=False, disable=None)


def show_pace(bar: tqdm, batch_size: int, loss: float, rate: float) -> None:
    """Write loss, learning rate and pace behind the bar, if it shows anything."""
    if bar.disable:
        return
    batches_per_second = bar.format_dict["rate"] or 0.0
    milliseconds = 1000 / batches_per_second if batches_per_second else 0
    bar.set_postfix_str(
        f"loss {loss:.4f} lr {rate:.4f} "
        f"{batches_per_second * batch_size:,.0f} images/s {milliseconds:.0f} ms/batch",
        refresh=False,
    )
