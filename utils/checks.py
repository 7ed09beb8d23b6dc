"""What is checked of an entry before it is trained, so that no hour is spent in vain."""

import torch

from torchbudget.data.images import ImageSpec
from torchbudget.declare.entry import Entry
from torchbudget.errors import NetworkError
from torchbudget.network.structure import network_digest
from torchbudget.network.trace import build


def check_trainable(entry: Entry, image: ImageSpec) -> None:
    """Check that the network can be traced and gives a logit for each class of `image`.

    Raises `NetworkError`: one line that begins with the entry's name.
    """
    try:
        network = build(entry.network)
        network_digest(network, image)
    except NetworkError as error:
        raise NetworkError(f"{entry.name}: {error}") from error
    with torch.no_grad():
        logits = network.eval()(torch.zeros(2, *image.shape))
    expected = (2, image.num_classes)
    if tuple(logits.shape) != expected:
        raise NetworkError(
            f"{entry.name}: the network gives {tuple(logits.shape)} for 2 images of "
            f"{entry.dataset}, {expected} is expected: one logit for each class"
        )
