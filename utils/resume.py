"""Continue from a checkpoint, under the recipe that wrote it or one that differs a little."""

from pathlib import Path

import msgspec

from torchbudget.declare.entry import changed_fields, describe
from torchbudget.errors import CheckpointError
from torchbudget.evidence.results import Positive
from torchbudget.reading import reading
from utils.checkpoint import list_checkpoints, load_checkpoint, reading_checkpoint
from utils.throughput import count_cores
from utils.training import Training

CHANGEABLE = {"epochs", "schedule", "augment", "mix", "finish", "label_smoothing", "clip_norm"}
"""Fields of a recipe that may change when a run is resumed; the checkpoint holds the others."""


def resume_training(training: Training, folder: Path) -> list[str]:
    """Bring `training` to the newest checkpoint in `folder`.

    It goes on with the threads that it began with, as far as there are cores. If only `CHANGEABLE`
    fields differ, training continues under `training.recipe`. A run of two recipes is evidence of
    neither: returns the overrides that its record must name, for this change and for those of
    earlier resumptions. Raises `CheckpointError` if there is no checkpoint or it does not fit.
    """
    state = load_checkpoint(folder)
    newest = list_checkpoints(folder)[-1]
    recipe = training.recipe
    with reading_checkpoint(newest):
        earlier = msgspec.convert(state.pop("resumed", []), list[str])
        changes = changed_fields(state.pop("recipe"), describe(recipe))
        changed = {field.partition(".")[0] for field, _, _ in changes}
        done = len(state["history"])
        threads = msgspec.convert(state.pop("threads", training.threads), Positive)
        training.threads = min(threads, count_cores())
    fixed = sorted(changed - CHANGEABLE)
    if fixed:
        raise CheckpointError(
            f"{folder} was trained with another recipe ({', '.join(fixed)}); start without --resume"
        )
    if done > recipe.epochs:
        raise CheckpointError(
            f"{folder} holds {done} epochs, the recipe has {recipe.epochs}; start without --resume"
        )
    with reading(newest, CheckpointError, "does not fit this entry", "start without --resume"):
        training.load_state_dict(state, same_recipe=not changed)
    print(f"resumed after epoch {done} of {recipe.epochs}", end="")
    if not changed:
        print()
        return earlier
    print(f", at learning rate {training.learning_rate.value:g}: the recipe has changed")
    return [*earlier, f"resumed_after_epoch={done}"]
