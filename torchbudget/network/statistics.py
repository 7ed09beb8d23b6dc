"""Running statistics: when they are no capacity, and whether the images give them back."""

from dataclasses import dataclass

import torch
from torch import fx

from torchbudget.network.nodes import kind_of
from torchbudget.network.structure import BATCH_NORMS, arguments_of
from torchbudget.network.trace import Trace, replay

NORMS = BATCH_NORMS | {"instance_norm"}
STATISTICS = ("running_mean", "running_var")
LEAST_CHANGE = 1e-3
"""The least share of the way to the batch's statistics that one step of training must go."""
MEAN_TOLERANCE = 4.0
"""In standard deviations of the channel.

Of six entries that were trained honestly, on 256 of their images, the farthest channel was 2.1
away: augmentation, dropout before a norm and averaged weights move honest statistics as well.
"""
VARIANCE_TOLERANCE = 100.0
"""The largest ratio of a stored variance to the images' own, or the other way round.

Of the same entries the largest was 34.
"""


def free_statistics(train: Trace, evaluating: Trace) -> set[str]:
    """Names of the buffers that are statistics and nothing else.

    In eval only norms of what comes from the images read them, as their statistics; in train a
    norm reads them as such and a step of training moves them.
    """
    read = _read_as_statistics(evaluating)
    return read & _read_as_statistics(train, unused_too=True) & moved_by_training(train)


def _read_as_statistics(traced: Trace, unused_too: bool = False) -> set[str]:
    """Names of the buffers that are read only by norms on the path, as their statistics."""
    path = set(traced.path)
    names = set()
    for placeholder, name in traced.names.items():
        users = [user for user in placeholder.users if unused_too or user in traced.computing]
        if name and users and all(_reads_statistics(user, placeholder, path) for user in users):
            names.add(name)
    return names - traced.parameters


def _reads_statistics(user: fx.Node, placeholder: fx.Node, path: set[fx.Node]) -> bool:
    """Whether `user` is a norm of what comes from the images that reads `placeholder` as such."""
    if kind_of(user) not in NORMS or user not in path:
        return False
    roles = {name for name, value in arguments_of(user).items() if value is placeholder}
    return roles <= set(STATISTICS)


def moved_by_training(train: Trace) -> set[str]:
    """Names of the buffers that a step of training moves by more than a trifle."""
    state = {name: tensor.clone() for name, tensor in train.state.items()}
    for name, tensor in state.items():
        if name not in train.parameters and tensor.is_floating_point():
            tensor.add_(100.0)  # far from any statistics of the images
    before = {name: tensor.clone() for name, tensor in state.items()}
    with torch.no_grad():
        replay(train, state, train.images.clone(), in_place=True)
    moved = set()
    for name, tensor in state.items():
        change = (tensor - before[name]).abs() if tensor.is_floating_point() else None
        if change is not None and change.numel() and bool((change > 100 * LEAST_CHANGE).all()):
            moved.add(name)
    return moved


# --- whether the images give them back ------------------------------------------------------------


@dataclass(frozen=True)
class StrangeStatistics:
    """A norm whose stored statistics are not those of the images that go through it.

    `mean_distance` is in standard deviations, the larger of the stored and the images' own.
    `variance_ratio` is above 1 whichever is the larger. Each is that of the worst channel. `names`
    are the buffers.
    """

    module: str
    source: str
    names: tuple[str, ...]
    mean_distance: float
    variance_ratio: float


def statistics_given_back(evaluating: Trace) -> list[StrangeStatistics]:
    """The norms whose stored mean or variance real images do not give back.

    `evaluating` is a trace in eval mode with the shipped weights in `state` and training images
    (a few hundred) in `images`: each norm's input is compared, channel by channel, with what the
    norm has stored. Honest statistics differ, because training augments its images and averages
    over many steps. A variance below a thousandth of the norm's largest is compared with that: a
    channel that is all but constant has no ratio to speak of.
    """
    state = {name: tensor.clone() for name, tensor in evaluating.state.items()}
    with torch.no_grad():
        values = replay(evaluating, state, evaluating.images)
    strange = []
    for node in evaluating.path:
        if kind_of(node) in NORMS:
            distances = _compare(evaluating, node, values)
            if distances and (
                distances.mean_distance > MEAN_TOLERANCE
                or distances.variance_ratio > VARIANCE_TOLERANCE
            ):
                strange.append(distances)
    return strange


def _compare(
    traced: Trace, norm: fx.Node, values: dict[fx.Node, torch.Tensor]
) -> StrangeStatistics | None:
    """How far a norm's stored statistics are from its input's; None for one that stores none."""
    arguments = arguments_of(norm)
    stored = [arguments.get(name) for name in STATISTICS]
    source = arguments.get("input")
    nodes = [node for node in (source, *stored) if isinstance(node, fx.Node)]
    if len(nodes) < 3 or any(node not in values for node in nodes):
        return None
    data, mean, variance = (values[node].double() for node in nodes)
    dims = [dim for dim in range(data.ndim) if dim != 1]
    own_variance = data.var(dims)
    floor = 1e-3 * float(torch.maximum(variance, own_variance).max()) + 1e-12
    variance = variance.clamp(min=floor)
    own_variance = own_variance.clamp(min=floor)
    ratio = variance / own_variance
    distance = (data.mean(dims) - mean).abs() / torch.maximum(variance, own_variance).sqrt()
    names = tuple(traced.names[node] for node in nodes[1:] if node in traced.names)
    return StrangeStatistics(
        module=str(norm.meta.get("module", "")),
        source=str(norm.meta.get("source", "")),
        names=names,
        mean_distance=float(distance.max()),
        variance_ratio=float(torch.maximum(ratio, 1 / ratio).max()),
    )
