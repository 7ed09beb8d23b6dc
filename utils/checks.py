"""What is checked of an entry before it is trained, so that no hour is spent in vain."""

import torch

from torchbudget.declare.entry import Entry
from torchbudget.errors import NetworkError
from torchbudget.network.structure import network_digest
from torchbudget.network.trace import INPUT_SHAPE, build

NUM_CLASSES = 10


def check_trainable(entry: Entry) -> None:
    """Check that the network can be traced and gives a logit for each class of the entry's data.

    Raises `NetworkError`: one line that begins with the entry's name.
    """
    try:
        network = build(entry.network)
        network_digest(network)
        with torch.no_grad():
            logits = network.eval()(torch.zeros(INPUT_SHAPE))
    except NetworkError as error:
        raise NetworkError(f"{entry.name}: {error}") from error
    expected = (INPUT_SHAPE[0], NUM_CLASSES)
    if tuple(logits.shape) != expected:
        raise NetworkError(
            f"{entry.name}: the network gives {tuple(logits.shape)} for {INPUT_SHAPE[0]} images of "
            f"{entry.dataset}, {expected} are expected: one logit for each class"
        )
