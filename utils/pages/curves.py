"""The curves of all seeds of an entry, as SVG."""

from collections.abc import Sequence

from torchbudget.evidence.results import Run
from utils.pages.vector import make_figure, to_svg, use_plain_figures

LEGEND_COLUMNS = 5


def draw_curves(name: str, runs: Sequence[Run]) -> str:
    """Training loss and val misses after each epoch, a line for each seed; "" without histories."""
    trained = [run for run in runs if run.history]
    if not trained:
        return ""
    rows = -(-len(trained) // LEGEND_COLUMNS)
    height = 3.1 + 0.22 * rows
    figure = make_figure(figsize=(7.6, height))
    figure.subplots_adjust(
        left=0.08,
        right=0.98,
        top=1 - 0.3 / height,
        bottom=(0.55 + 0.22 * rows) / height,
        wspace=0.22,
    )
    with_val = any(run.val for run in trained)
    left, *rest = figure.subplots(1, 2 if with_val else 1, squeeze=False)[0]
    for number, run in enumerate(trained):
        epochs = range(1, len(run.history) + 1)
        style = {"color": f"C{number % 10}", "linewidth": 1.3, "marker": ".", "markersize": 4}
        losses = [row.train_loss for row in run.history]
        left.plot(epochs, losses, label=f"seed {run.seed}", **style)
        for right in rest:
            right.plot(epochs, [row.val_misses for row in run.history], **style)
    left.set(xlabel="epoch", ylabel="loss", yscale="log", title="training loss")
    for right in rest:
        total = next(run.val.total for run in trained if run.val)
        right.set(xlabel="epoch", ylabel=f"misses of {total:,}", yscale="log", title="val misses")
    for axes in (left, *rest):
        axes.grid(alpha=0.25)
        axes.xaxis.get_major_locator().set_params(integer=True)
        use_plain_figures(axes.yaxis)
    columns = min(len(trained), LEGEND_COLUMNS)
    figure.legend(loc="lower center", ncols=columns, frameon=False, borderaxespad=0)
    return to_svg(figure, f"curves-{name}", f"Training loss and val misses of {name} by epoch")
