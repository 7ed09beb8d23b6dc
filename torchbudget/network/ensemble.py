"""Networks that vote."""

import math
from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import TypeGuard

import torch
from torch import nn


def vote(logits: torch.Tensor, by: str) -> torch.Tensor:
    """(M, N, classes) logits of M members -> (N, classes).

    The mean of the logits, or the log of the mean of the probabilities.
    """
    if by == "logits":
        return logits.mean(0)
    return logits.log_softmax(2).logsumexp(0) - math.log(len(logits))


class EnsembleNetwork(nn.Module):
    """The members' vote as one network: (N, C, H, W) -> (N, classes)."""

    def __init__(self, makers: Sequence[Callable[[], nn.Module]], by: str) -> None:
        super().__init__()
        self.members = nn.ModuleList(maker() for maker in makers)
        self.by = by

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return vote(torch.stack([member(x) for member in self.members]), self.by)


def identify(network: Callable[[], nn.Module]) -> Hashable:
    """The same for two entries whose networks the same callables make."""
    if _is_ensemble(network):
        members, how = network.args
        return (EnsembleNetwork, how, *map(identify, members))
    return id(network)


def count_members(network: Callable[[], nn.Module]) -> int:
    """The networks that vote; 1 for a network that is none of several."""
    return sum(map(count_members, network.args[0])) if _is_ensemble(network) else 1


def _is_ensemble(network: Callable[[], nn.Module]) -> TypeGuard[partial[EnsembleNetwork]]:
    return isinstance(network, partial) and network.func is EnsembleNetwork
