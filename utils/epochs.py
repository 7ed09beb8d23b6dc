"""A training from where it is to the recipe's last epoch, with checkpoints and a line an epoch."""

from collections.abc import Callable
from pathlib import Path

from torchbudget.declare.entry import describe
from utils import checkpoint
from utils.training import Training


def train_epochs(
    training: Training,
    folder: Path,
    resumed: list[str],
    on_epoch: Callable[[Training], None] | None = None,
) -> None:
    """Train to the recipe's last epoch, with a checkpoint in `folder` and a line an epoch.

    `on_epoch` is called after each.
    """
    while len(training.history) < training.recipe.epochs:
        training.epoch()
        state = training.state_dict()
        state |= {"recipe": describe(training.recipe), "resumed": resumed}
        checkpoint.save_checkpoint(folder, len(training.history), state)
        print(describe_epoch(training), flush=True)
        if on_epoch:
            on_epoch(training)


def describe_epoch(training: Training) -> str:
    """An epoch in at most 80 columns."""
    row = training.history[-1]
    done = len(training.history)
    epochs = training.recipe.epochs
    left = sum(epoch.seconds for epoch in training.history) / done * (epochs - done)
    parts = [f"loss {row.train_loss:.4f}"]
    if row.val_loss is not None:
        parts.append(f"val {row.val_loss:.4f} ({row.val_misses} misses)")
    parts += [f"lr {row.lr:.2g}", f"{row.seconds:.3g} s", f"{left / 60:.0f} min left"]
    return f"epoch {done:>2}/{epochs} {', '.join(parts)}"
