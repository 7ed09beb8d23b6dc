"""What a recipe is chosen by: the val images that its final weights miss."""

from collections.abc import Callable

import torch

from torchbudget.data.images import Images
from torchbudget.declare.entry import Entry
from torchbudget.errors import NetworkError, WeightsError
from torchbudget.evidence.measure import measure
from torchbudget.evidence.weights import round_weights
from utils.lessons import Lessons
from utils.training import Diverged, Training

UNUSABLE = (Diverged, NetworkError, WeightsError, ValueError, torch.OutOfMemoryError)
"""What a trial may end with that says nothing of the others."""


def train_and_count(
    entry: Entry,
    seed: int,
    train: Images,
    val: Images,
    device: torch.device,
    on_epoch: Callable[[Training], None],
    lessons: Lessons | None = None,
) -> int:
    """Train `entry`, and count the misses of `val` by the final weights.

    `on_epoch` is called after each epoch, `lessons` are those of a taught entry. Raises what
    `on_epoch` raises, and any of `UNUSABLE`.
    """
    training = Training(entry, seed, train, val, device, lessons)
    while len(training.history) < entry.recipe.epochs:
        training.epoch()
        on_epoch(training)
    network = round_weights(training.final_network(), entry.stored)
    return measure(network, val, views=entry.views).misses
