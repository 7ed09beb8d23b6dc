"""Networks that vote."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn


def vote(logits: torch.Tensor, by: str) -> torch.Tensor:
    """(M, N, 10) logits of M members -> (N, 10): the mean of the logits, or the log of the mean of the probabilities."""
    return (
        logits.mean(0)
        if by == "logits"
        else logits.log_softmax(2).logsumexp(0) - math.log(len(logits))
    )


class EnsembleNetwork(nn.Module):
    """The members' vote as one network: (N, 1, 28, 28) -> (N, 10)."""

    def __init__(self, makers: Sequence[Callable[[], nn.Module]], by: str) -> None:
        super().__init__()
        self.members, self.by = nn.ModuleList(make() for make in makers), by

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return vote(torch.stack([member(x) for member in self.members]), self.by)
