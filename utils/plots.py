"""Pictures of a run, of a search and of the augmentations, as PNG files; matplotlib is imported when one is drawn."""

import itertools
import json
from pathlib import Path

import msgspec
import torch

from torchbudget.data.images import Images
from torchbudget.evidence.files import write_atomically
from torchbudget.evidence.measure import Measurement
from torchbudget.evidence.results import Run

MAX_SHOWN = 60


def write_run(folder: Path, run: Run, found: Measurement, test: Images) -> list[Path]:
    """The history as JSON, and PNGs of curves (of what was trained), confusion matrix and misclassified images, as `folder/<stem>-*`."""
    history = folder / f"{run.stem}-history.json"
    text = json.dumps(
        {
            "entry": run.entry,
            "seed": run.seed,
            "dataset": run.dataset,
            "history": msgspec.to_builtins(run.history),
        },
        indent=1,
    )
    write_atomically(history, lambda path: path.write_text(text + "\n"))
    figures = {"curves": plot_curves(run)} if run.history else {}
    figures |= {"confusion": plot_confusion(run), "misses": plot_misses(run, found, test)}
    return [history] + [
        save_figure(figure, folder / f"{run.stem}-{name}.png") for name, figure in figures.items()
    ]


def make_figure(**options):
    from matplotlib.figure import Figure

    return Figure(layout="constrained", dpi=120, **options)


def save_figure(figure, path: Path) -> Path:
    """Write `figure` whole as a PNG at `path`, and return `path`."""
    write_atomically(path, lambda partial: figure.savefig(partial, format="png"))
    return path


def plot_curves(run: Run):
    """Loss and val accuracy against the epoch, one panel each."""
    figure = make_figure(figsize=(9, 3.6))
    left, right = figure.subplots(1, 2)
    epochs = range(1, len(run.history) + 1)
    left.plot(epochs, [row.train_loss for row in run.history], label="train, augmented", marker=".")
    left.set(
        xlabel="epoch",
        ylabel="cross-entropy",
        yscale="log",
        title=f"{name_run(run)}: loss",
    )
    if run.val:
        left.plot(epochs, [row.val_loss for row in run.history], label="val", marker=".")
        right.plot(
            epochs,
            [100 - 100 * row.val_misses / run.val.total for row in run.history],
            color="C1",
            label="val",
            marker=".",
        )
        right.axhline(
            100 - 100 * run.val.misses / run.val.total,
            color="C2",
            linestyle="--",
            label=f"final weights on val: {run.val.misses} misses of {run.val.total:,}",
        )
        figure.legend(loc="outside lower center", ncols=3, handles=right.lines)
        late = max(row.val_misses for row in run.history[len(run.history) // 4 :])
        right.set_ylim(bottom=100 - 120 * max(late, 1) / run.val.total)
    right.set(xlabel="epoch", ylabel="accuracy, %", title="accuracy")
    left.legend()
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    return figure


def name_run(run: Run) -> str:
    """The run as titles name it; with its data set where that is not MNIST."""
    name = f"{run.entry}, seed {run.seed}"
    return name if run.dataset == "mnist" else f"{name}, {run.dataset}"


def choose_colour(right: bool, darkness: float) -> str:
    """The colour of a count: readable on a cell of that darkness in 0..1."""
    if right:
        return "grey"
    return "white" if darkness > 0.6 else "black"


def plot_confusion(run: Run):
    """Counts on the test images, true digit by predicted digit; the diagonal is written but not coloured."""
    figure = make_figure(figsize=(5.6, 5))
    axes = figure.subplots()
    wrong = torch.tensor(run.confusion).float().fill_diagonal_(0)
    axes.imshow(wrong.numpy(), cmap="Reds", vmin=0, vmax=max(wrong.max().item(), 1))
    for true, row in enumerate(run.confusion):
        for predicted, count in enumerate(row):
            axes.text(
                predicted,
                true,
                count or "",
                ha="center",
                va="center",
                fontsize=7,
                color=choose_colour(true == predicted, count / max(wrong.max().item(), 1)),
            )
    axes.set(xlabel="predicted", ylabel="true", xticks=range(len(wrong)), yticks=range(len(wrong)))
    axes.set_title(f"{name_run(run)}: {run.test.misses} misses of {run.test.total:,}")
    return figure


def plot_misses(run: Run, found: Measurement, test: Images):
    """The misclassified test images, the most confident mistake first, with index, true and predicted digit and confidence."""
    confidence = found.logits.softmax(1)
    worst = sorted(found.missed, key=lambda index: -confidence[index, found.missed[index]].item())[
        :MAX_SHOWN
    ]
    rows = max(1, -(-len(worst) // 10))
    figure = make_figure(figsize=(10, 1.35 * rows + 0.5))
    grid = figure.subplots(rows, 10, squeeze=False).flatten()
    for axes in grid:
        axes.axis("off")
    for axes, index in zip(grid, worst, strict=False):
        predicted = found.missed[index]
        axes.imshow(test.pixels[index, 0].numpy(), cmap="gray_r")
        axes.set_title(
            f"#{index}\n{int(test.labels[index])} as {predicted}, {confidence[index, predicted]:.0%}",
            fontsize=7,
        )
    shown = "" if len(worst) == run.test.misses else f", the {len(worst)} most confident"
    figure.suptitle(
        f"{name_run(run)}: misclassified test images ({run.test.misses} of {run.test.total:,}{shown})",
        fontsize=9,
    )
    return figure


def plot_augmentations(rows: dict[str, torch.Tensor]):
    """A row of images (N, 1, 28, 28) for each name."""
    columns = max(len(images) for images in rows.values())
    figure = make_figure(figsize=(columns * 0.8 + 1.6, len(rows) * 0.85))
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for line, (name, images) in zip(grid, rows.items(), strict=True):
        for axes, image in zip(line, images, strict=True):
            axes.imshow(image[0].numpy(), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return figure


def plot_search(title: str, trials: list):
    """Misses against the number of each Optuna trial, pruned ones with the misses they were pruned at, and the best so far; at least one is completed."""
    figure = make_figure(figsize=(7, 4))
    axes = figure.subplots()
    complete = {trial.number: trial.value for trial in trials if trial.state.name == "COMPLETE"}
    pruned = {
        trial.number: trial.intermediate_values[trial.last_step]
        for trial in trials
        if trial.state.name == "PRUNED" and trial.intermediate_values
    }
    best = list(itertools.accumulate(complete.values(), min))
    top = max(3 * best[0], 1)  # a trial that went wrong must not squash the others
    axes.step(
        [*complete, max(complete | pruned)],
        [*best, best[-1]],
        where="post",
        color="C2",
        label="best so far",
    )
    axes.plot([*complete], [min(value, top) for value in complete.values()], "o", label="completed")
    axes.plot(
        [*pruned], [min(value, top) for value in pruned.values()], "x", color="grey", label="pruned"
    )
    cut = f", those above {top:g} at the top" if max((complete | pruned).values()) > top else ""
    axes.set(xlabel="trial", ylabel=f"val misses{cut}", title=title)
    axes.set_ylim(bottom=0)
    for axis in (axes.xaxis, axes.yaxis):
        axis.get_major_locator().set_params(integer=True)
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def plot_importances(title: str, importances: dict[str, float]):
    """A bar a number searched, the largest on top."""
    figure = make_figure(figsize=(7, 0.28 * len(importances) + 1.2))
    axes = figure.subplots()
    bars = axes.barh(list(importances), [100 * share for share in importances.values()])
    axes.bar_label(bars, fmt="{:.0f} %", padding=2, fontsize=8)
    axes.set(
        xlabel="share of the importance (PED-ANOVA), %",
        title=title,
        xlim=(0, 110 * max(importances.values())),
    )
    axes.invert_yaxis()
    return figure
