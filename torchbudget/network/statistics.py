"""Running statistics: when they are no capacity, by what reads and what moves them."""

import torch
from torch import fx

from torchbudget.network.nodes import NORMS, STATISTICS, arguments_of, kind_of
from torchbudget.network.trace import Trace, replay

FUNCTIONAL_NORM = "_native_batch_norm_legit_functional"
"""What gives the statistics as a norm in training leaves them."""
LEAST_CHANGE = 1e-4
"""The least share of the way to the batch's statistics that one step of training must go.

MnasNet's norms go 3e-4 of it.
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
    if kind_of(user) not in NORMS | {FUNCTIONAL_NORM} or user not in path:
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
