"""Training with the weights as they will be stored, so that rounding costs fewer misses."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from torch import nn

from torchbudget.declare.validation import check_counts
from torchbudget.evidence.stored import round_tensor


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """The last `epochs` epochs compute with parameters that are rounded as the entry stores them.

    A gradient at the rounded parameters moves the parameters as they are, as if rounding were the
    identity: the straight-through estimator (Bengio, Léonard & Courville 2013, arXiv:1308.3432), as
    in "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
    Inference" (Jacob et al. 2018, arXiv:1712.05877).
    """

    epochs: int

    def __post_init__(self) -> None:
        check_counts(self, "epochs")


@contextmanager
def rounded(network: nn.Module, stored: str) -> Iterator[None]:
    """Give `network` its parameters as they will be `stored`, and put them back at the end.

    They are changed in place, so gradients that are taken inside belong to the same parameters.
    """
    parameters = [part for part in network.parameters() if part.is_floating_point()]
    kept = [part.detach().clone() for part in parameters]
    for part in parameters:
        part.data.copy_(round_tensor(part.detach(), stored))
    try:
        yield
    finally:
        for part, values in zip(parameters, kept, strict=True):
            part.data.copy_(values)
