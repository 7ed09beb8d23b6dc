"""The plot of accuracy against seconds of training, a line for each pipeline."""

from itertools import accumulate
from typing import TYPE_CHECKING

import torch

from utils.plots import make_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def plot_accuracy(figures: dict, processor: str) -> "Figure":
    """Accuracy of both pipelines against time on `processor`.

    The published run has its test accuracy after each epoch. Ours has the mean val accuracy after
    each epoch, and the test accuracy of each seed's final weights; `dash` has the latter alone.
    """
    figure = make_figure(figsize=(8, 5))
    axes = figure.subplots()
    total = figures["test_images"]
    curve = figures["published"]["curve"]
    axes.plot(
        [row["seconds"] for row in curve],
        [_per_cent(row["misses"], total) for row in curve],
        "o-",
        label="published pipeline, test after each epoch",
    )
    runs = figures["ours"]["runs"]
    if runs[0]["val_images"]:
        axes.plot(
            *_mean_val(runs),
            ".-",
            color="C1",
            label=f"{figures['entry']}, val after each epoch, mean of {len(runs)}",
        )
    final = [_per_cent(run["misses"], total) for run in runs]
    _mark_seeds(axes, figures["entry"], figures["ours"], figures["max_misses"], total, "C3")
    dash = figures.get("dash")
    if dash:
        _mark_seeds(axes, "dash", dash, dash["max_misses"], total, "C2")
        runs = [*runs, *dash["runs"]]
        final += [_per_cent(run["misses"], total) for run in dash["runs"]]
    axes.set(
        xlabel="seconds of training, data and augmentation included",
        ylabel="accuracy, %",
        xscale="log",
        title=f"Accuracy against time, {processor}",
    )
    axes.xaxis.set_major_formatter("{x:g}")
    lowest = min(final)
    shown = [*final, *(_per_cent(row["misses"], total) for row in curve)]
    margin = 0.1 * max(100 - lowest, 0.1)
    axes.set_ylim(max(97.5, lowest - 0.5) if lowest > 97.5 else None, max(shown) + margin)
    axes.set_xlim(left=0.5 * min(run["seconds"] for run in runs))
    axes.grid(alpha=0.3, which="both")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8)
    return figure


def _mark_seeds(
    axes: "Axes", name: str, side: dict, max_misses: int, total: int, colour: str
) -> None:
    """Mark the final weights of each seed, and draw a line at the misses that are allowed."""
    axes.plot(
        [run["seconds"] for run in side["runs"]],
        [_per_cent(run["misses"], total) for run in side["runs"]],
        "x",
        color=colour,
        label=f"{name}, test by final weights, each of {len(side['runs'])} seeds",
    )
    axes.axhline(
        _per_cent(max_misses, total),
        color=colour,
        linestyle="--",
        linewidth=1,
        label=f"{max_misses} misses of {total:,}",
    )


def _per_cent(misses: float, total: int) -> float:
    return 100 - 100 * misses / total


def _mean_val(runs: list[dict]) -> tuple[list[float], list[float]]:
    """Mean seconds so far and mean val accuracy after each epoch."""
    seconds = torch.tensor(
        [list(accumulate(row["seconds"] for row in run["history"])) for run in runs]
    )
    misses = torch.tensor([[float(row["val_misses"]) for row in run["history"]] for run in runs])
    total = runs[0]["val_images"]
    accuracy = [_per_cent(mean, total) for mean in misses.mean(0).tolist()]
    return seconds.mean(0).tolist(), accuracy
