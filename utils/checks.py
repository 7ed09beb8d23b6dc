"""What is checked of an entry before it is trained, so that no hour is spent in vain."""

from torchbudget.data.images import ImageSpec
from torchbudget.declare.entry import Entry
from torchbudget.errors import NetworkError
from torchbudget.network.soundness import check_network
from torchbudget.network.structure import network_digest
from torchbudget.network.trace import build


def check_trainable(entry: Entry, image: ImageSpec) -> None:
    """Check that the network gives a logit for each class of `image`, and that it can be traced.

    Raises `NetworkError`: one line that begins with the entry's name.
    """
    try:
        network = build(entry.network)
        check_network(network, image)
        network_digest(network, image)
    except NetworkError as error:
        raise NetworkError(f"{entry.name}: {error}") from error
