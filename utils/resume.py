"""Continue from a checkpoint, under the recipe that wrote it or one that differs a little."""

from pathlib import Path

from torchbudget.declare.entry import changed_fields, describe
from torchbudget.errors import CheckpointError
from utils.checkpoint import load_checkpoint
from utils.training import Training

CHANGEABLE = {"epochs", "schedule", "augment", "mix", "finish", "label_smoothing", "clip_norm"}
"""Fields of a recipe that may change when a run is resumed; the checkpoint holds the others."""


def resume_training(training: Training, folder: Path) -> list[str]:
    """Bring `training` to the newest checkpoint in `folder`.

    If only `CHANGEABLE` fields differ, training continues under `training.recipe`. A run of two
    recipes is evidence of neither: returns the overrides that its record must name, for this
    change and for those of earlier resumptions. Raises `CheckpointError` if there is no checkpoint
    or it does not fit.
    """
    state = load_checkpoint(folder)
    recipe = training.recipe
    earlier = state.pop("resumed", [])
    changes = changed_fields(state.pop("recipe"), describe(recipe))
    changed = {field.partition(".")[0] for field, _, _ in changes}
    fixed = sorted(changed - CHANGEABLE)
    if fixed:
        raise CheckpointError(
            f"{folder} was trained with another recipe ({', '.join(fixed)}); start without --resume"
        )
    done = len(state["history"])
    if done > recipe.epochs:
        raise CheckpointError(
            f"{folder} holds {done} epochs, the recipe has {recipe.epochs}; start without --resume"
        )
    try:
        training.load_state_dict(state, same_recipe=not changed)
    except (RuntimeError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(
            f"{folder} does not fit this entry ({reason}); start without --resume"
        ) from error
    print(f"resumed after epoch {done} of {recipe.epochs}", end="")
    if not changed:
        print()
        return earlier
    print(f", at learning rate {training.learning_rate.value:g}: the recipe has changed")
    return [*earlier, f"resumed_after_epoch={done}"]
