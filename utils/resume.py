"""Going on from a checkpoint, with the recipe that wrote it or with one that differs in little."""

from pathlib import Path

from torchbudget.declare.entry import changed_fields, describe
from torchbudget.errors import CheckpointError
from utils.checkpoint import load_checkpoint
from utils.training import Training

CHANGEABLE = {"epochs", "schedule", "augment", "mix", "finish", "label_smoothing", "clip_norm"}
"""Fields of a recipe that may be others when a run is resumed; the others are in what the checkpoint holds."""


def resume_training(training: Training, folder: Path) -> list[str]:
    """Bring `training` to the newest checkpoint in `folder`; raises `CheckpointError`, also where the checkpoint does not fit.

    A checkpoint of a recipe that differs in nothing but `CHANGEABLE` is gone on from as `training.recipe` says. Returns what the record must
    say of it and of every such change before, as overrides: a run of two recipes is no evidence of either.
    """
    state, recipe = load_checkpoint(folder), training.recipe
    resumed, changed = (
        state.pop("resumed", []),
        {
            field.partition(".")[0]
            for field, _, _ in changed_fields(state.pop("recipe"), describe(recipe))
        },
    )
    if fixed := changed - CHANGEABLE:
        raise CheckpointError(
            f"{folder} was trained with another recipe ({', '.join(sorted(fixed))}); start without --resume"
        )
    if (done := len(state["history"])) > recipe.epochs:
        raise CheckpointError(
            f"{folder} has {done} epochs behind it, the recipe {recipe.epochs}; start without --resume"
        )
    try:
        training.load_state_dict(state, as_before=not changed)
    except (RuntimeError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{folder} does not fit this entry ({' '.join(str(error).split())[:200]}); start without --resume"
        ) from error
    change = (
        f", at learning rate {training.schedule.lr:g}: the recipe has changed" if changed else ""
    )
    print(f"resumed after epoch {done} of {recipe.epochs}{change}")
    return resumed + ([f"resumed_after_epoch={done}"] if changed else [])
