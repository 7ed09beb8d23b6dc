"""Plots of a run, of a search and of the augmentations, as PNG files.

matplotlib is imported when the first plot is drawn.
"""

import io
import itertools
import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch
import torch.nn.functional as F

from torchbudget.data.images import Images
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.measure import Measurement
from torchbudget.evidence.results import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from optuna.trial import FrozenTrial

MAX_SHOWN = 60
COLUMNS = 10
"""Images of a row of the misclassified images."""
CELL_HEIGHT = 1.29
"""Of a misclassified image and the text above it; the width is 1."""
SIDE = 0.94
"""The longer side of a misclassified image."""


def draw_run(
    folder: Path,
    run: Run,
    measurement: Measurement,
    test: Images,
    train_misses: Sequence[int | None] = (),
) -> dict[Path, bytes]:
    """The history of a run as JSON and its plots as PNGs, by their paths, `folder/<stem>-*`.

    The plots are the curves, the confusion matrix and the misclassified images. A run without a
    history has no curves, and one without a confusion matrix (above 100 classes) has none here.
    `train_misses` has the wrong answers of each epoch's training batches, where they were counted.
    """
    content = {
        "entry": run.entry,
        "seed": run.seed,
        "dataset": run.dataset,
        "history": msgspec.to_builtins(run.history),
    }
    if train_misses:
        content["train_misses"] = list(train_misses)
    files = {folder / f"{run.stem}-history.json": (json.dumps(content, indent=1) + "\n").encode()}
    figures = {}
    if run.history:
        figures["curves"] = plot_curves(run, train_misses)
    if run.confusion:
        figures["confusion"] = plot_confusion(run)
    figures["misses"] = plot_misses(run, measurement, test)
    for name, figure in figures.items():
        files[folder / f"{run.stem}-{name}.png"] = draw_figure(figure)
    return files


def make_figure(**options: object) -> "Figure":
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # where it caches is no user's matter
    from matplotlib.figure import Figure

    return Figure(layout="constrained", dpi=120, **options)


def save_figure(figure: "Figure", path: Path) -> Path:
    """Write `figure` as a PNG at `path`, whole or not at all; return `path`."""
    write_atomically(path, draw_figure(figure))
    return path


def draw_figure(figure: "Figure") -> bytes:
    """`figure` as a PNG."""
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def show_image(axes: "Axes", image: torch.Tensor, **options: object) -> None:
    """Draw `image`, (C, H, W): three channels in colour, else the first channel, dark is high."""
    axes.set(xticks=[], yticks=[])
    if len(image) == 3:
        colours = image if image.dtype == torch.uint8 else image.clamp(0, 1)
        axes.imshow(colours.permute(1, 2, 0).numpy(), **options)  # (C, H, W) -> (H, W, C)
    else:
        axes.imshow(image[0].numpy(), cmap="gray_r", **options)


def set_title(figure: "Figure", title: str) -> None:
    """A title of the whole figure, wrapped at its edges."""
    figure.suptitle(title, fontsize=10, wrap=True)


def plot_curves(run: Run, train_misses: Sequence[int | None] = ()) -> "Figure":
    """Loss and accuracy against the epoch, one panel each, with one legend below both.

    `train_misses` are the wrong answers of each epoch's training batches; an epoch whose labels
    were mixed has None. Epochs far below the others are marked at the accuracy's lower edge.
    """
    figure = make_figure(figsize=(9, 4.2))
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(run.history) + 1)
    train = "train, augmented" if run.recipe.get("augment") else "train"
    left.plot(epochs, [row.train_loss for row in run.history], label=train, marker=".")
    shares = {}
    if any(misses is not None for misses in train_misses):
        seen = run.steps * run.batch_size / len(run.history)
        shares["C0"] = [
            math.nan if misses is None else 100 - 100 * misses / seen for misses in train_misses
        ]
    if run.val:
        left.plot(epochs, [row.val_loss for row in run.history], label="val", marker=".")
        shares["C1"] = [100 - 100 * row.val_misses / run.val.total for row in run.history]
    for colour, accuracy in shares.items():
        right.plot(epochs, accuracy, color=colour, marker=".")
    for name, score, style in (("val", run.val, "C2--"), ("test", run.test, "C3:")):
        if score and score.total:
            label = f"final weights on {name}: {score.misses:,} misses of {score.total:,}"
            right.axhline(100 - 100 * score.misses / score.total, ls=style[2:], c=style[:2])
            right.lines[-1].set_label(label)
    left.set(ylabel="cross-entropy", yscale="log", title="loss")
    right.set(ylabel="accuracy, %", title="accuracy")
    mark_early_epochs(right, shares)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.set(xlabel="epoch", xlim=(0.5, len(run.history) + 0.5))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
    lines = [*left.lines, *(line for line in right.lines if line.get_label()[0] != "_")]
    figure.legend(loc="outside lower center", ncols=2, handles=lines)
    figure.suptitle(name_run(run))
    return figure


def mark_early_epochs(axes: "Axes", shares: dict[str, list[float]]) -> None:
    """Let the later epochs fill the panel, and mark at its edge those that are below it."""
    late = [
        value
        for accuracy in shares.values()
        for value in accuracy[len(accuracy) // 4 :]
        if not math.isnan(value)
    ]
    if not late:
        return
    bottom = 100 - 1.2 * max(100 - min(late), 0.02)
    axes.set_ylim(bottom=bottom)
    for colour, accuracy in shares.items():
        below = [epoch for epoch, value in enumerate(accuracy, 1) if value < bottom]
        edge = [bottom + 0.02 * (axes.get_ylim()[1] - bottom)] * len(below)
        axes.plot(below, edge, "v", color=colour, label="below the panel" if below else None)


def name_run(run: Run) -> str:
    """The run's name in titles; its data set is named unless it is MNIST."""
    name = f"{run.entry}, seed {run.seed}"
    return name if run.dataset == "mnist" else f"{name}, {run.dataset}"


def choose_colour(right: bool, darkness: float) -> str:
    """The colour of a count that is readable on a cell of that darkness in 0..1."""
    if right:
        return "grey"
    return "white" if darkness > 0.6 else "black"


def rate_class(true: int, row: list[int]) -> str:
    """A class with its misses of all its test images, such as "3: 5 of 1,010"."""
    return f"{true}: {sum(row) - row[true]:,} of {sum(row):,}"


def plot_confusion(run: Run) -> "Figure":
    """Counts of test images by true and predicted class; the diagonal is written, not coloured.

    Beside each true class is how many of its images are wrong.
    """
    figure = make_figure(figsize=(6.2, 5.2))
    axes = figure.subplots()
    wrong = torch.tensor(run.confusion).float().fill_diagonal_(0)
    most = max(wrong.max().item(), 1)
    axes.imshow(wrong.numpy(), cmap="Reds", vmin=0, vmax=most)
    for true, row in enumerate(run.confusion):
        for predicted, count in enumerate(row):
            colour = choose_colour(true == predicted, count / most)
            text = count or ""
            axes.text(predicted, true, text, ha="center", va="center", fontsize=7, color=colour)
    classes = range(len(wrong))
    axes.set(xlabel="predicted", ylabel="true: misses of all", xticks=classes, yticks=classes)
    axes.set_yticks(classes, [rate_class(true, row) for true, row in enumerate(run.confusion)])
    axes.set_title(f"{name_run(run)}: {run.test.misses} misses of {run.test.total:,}")
    return figure


def plot_misses(run: Run, measurement: Measurement, test: Images) -> "Figure":
    """The misclassified test images, the most confident mistake first.

    Above each are its index, true and predicted class, and the confidence.
    """
    from matplotlib.patches import Rectangle

    confidence = measurement.logits.softmax(1)
    missed = measurement.missed
    worst = sorted(missed, key=lambda index: -confidence[index, missed[index]].item())
    worst = worst[:MAX_SHOWN]
    rows = max(1, -(-len(worst) // COLUMNS))
    figure = make_figure(figsize=(COLUMNS, CELL_HEIGHT * rows + 0.3))
    axes = figure.subplots()  # one for all images: each of its own takes seconds to lay out
    axes.axis("off")
    height, width = test.image.shape[1:]
    wide = SIDE * width / max(height, width)
    tall = SIDE * height / max(height, width)
    for place, index in enumerate(worst):
        row, column = divmod(place, COLUMNS)
        left, bottom = column + (1 - wide) / 2, (row + 1) * CELL_HEIGHT
        show_image(axes, test.pixels[index], extent=(left, left + wide, bottom, bottom - tall))
        axes.add_patch(
            Rectangle((left, bottom - tall), wide, tall, fill=False, edgecolor="lightgrey")
        )
        axes.text(
            column + 0.5,
            bottom - tall - 0.03,
            f"#{index}\n{int(test.labels[index])} as {missed[index]}, "
            f"{confidence[index, missed[index]]:.0%}",
            fontsize=7,
            ha="center",
            va="bottom",
        )
    axes.set(xlim=(0, COLUMNS), ylim=(rows * CELL_HEIGHT + 0.03, 0))
    count = f"{run.test.misses} of {run.test.total:,}"
    if len(worst) < run.test.misses:
        count += f", the {len(worst)} most confident"
    figure.suptitle(f"{name_run(run)}: misclassified test images ({count})", fontsize=9)
    return figure


def plot_augmentations(rows: dict[str, torch.Tensor]) -> "Figure":
    """A row of images (N, C, H, W) for each name."""
    columns = max(len(images) for images in rows.values())
    figure = make_figure(figsize=(columns * 0.8 + 2.4, len(rows) * 0.85))
    lines = figure.subplots(len(rows), squeeze=False)
    for (axes,), (name, images) in zip(lines, rows.items(), strict=True):
        row = torch.cat(list(F.pad(images, (1, 1))), dim=2)  # (N, C, H, W) -> (C, H, N * (W + 2))
        show_image(axes, row, vmin=0, vmax=1)
        axes.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=11)
    return figure


def plot_search(title: str, trials: "list[FrozenTrial]") -> "Figure":
    """The misses of each trial, and the best so far; at least one trial is completed.

    A pruned trial is shown with the misses at which it was pruned.
    """
    figure = make_figure(figsize=(7, 4))
    axes = figure.subplots()
    complete = {trial.number: trial.value for trial in trials if trial.state.name == "COMPLETE"}
    pruned = {
        trial.number: trial.intermediate_values[trial.last_step]
        for trial in trials
        if trial.state.name == "PRUNED" and trial.intermediate_values
    }
    everything = complete | pruned
    best = list(itertools.accumulate(complete.values(), min))
    top = max(3 * best[0], 1)  # a trial that went wrong must not squash the others
    axes.step(
        [*complete, max(everything)],
        [*best, best[-1]],
        where="post",
        color="C2",
        label="best so far",
    )
    axes.plot([*complete], [min(value, top) for value in complete.values()], "o", label="completed")
    axes.plot(
        [*pruned], [min(value, top) for value in pruned.values()], "x", color="grey", label="pruned"
    )
    label = "val misses"
    if max(everything.values()) > top:
        label += f", those above {top:g} at the top"
    axes.set(xlabel="trial", ylabel=label)
    set_title(figure, title)
    axes.set_ylim(bottom=0)
    axes.locator_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def plot_importances(title: str, importances: dict[str, float]) -> "Figure":
    """A bar for each number searched, the largest on top."""
    figure = make_figure(figsize=(7, 0.28 * len(importances) + 1.2))
    axes = figure.subplots()
    bars = axes.barh(list(importances), [100 * share for share in importances.values()])
    axes.bar_label(bars, fmt="{:.0f} %", padding=2, fontsize=8)
    axes.set_xlabel("share of the importance (PED-ANOVA), %")
    axes.set_xlim(0, 110 * max(importances.values()))
    set_title(figure, title)
    axes.invert_yaxis()
    return figure
