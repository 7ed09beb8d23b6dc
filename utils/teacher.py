"""Distillation: learning from the answers of trained networks, beside the labels."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from torchbudget.declare.teaching import TaughtBy
from torchbudget.declare.validation import check, check_counts


@dataclass(frozen=True, kw_only=True)
class Teacher(TaughtBy):
    """Learn from the answers of the networks that the runs of `entry` with `seeds` ended with.

    Several networks answer as an ensemble votes, those of a plain entry by their mean
    probabilities. The loss of an image is (1 - `share`) x that of its label + `share` x
    `temperature`^2 x the Kullback-Leibler divergence of the network's probabilities from the
    teacher's, both of logits divided by `temperature` (Hinton, Vinyals & Dean 2015,
    arXiv:1503.02531). The teacher answers `copies` augmented copies of every training image, once,
    and epochs go through the copies in turn (see `utils.lessons`): with as many copies as epochs no
    image is seen twice.
    """

    temperature: float = 4.0
    share: float = 0.9
    copies: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self, temperature=(0.1, 100), share=(0, 1))
        check_counts(self, "copies")

    def loss(
        self, losses: torch.Tensor, logits: torch.Tensor, answers: torch.Tensor
    ) -> torch.Tensor:
        """The loss (B,) of each image, of those by its label, `losses` (B,), and the logits.

        `logits` (B, classes) are the network's, `answers` (B, classes) the teacher's.
        """
        log_probabilities = (logits / self.temperature).log_softmax(1)
        wanted = (answers.float() / self.temperature).log_softmax(1)
        divergence = F.kl_div(log_probabilities, wanted, reduction="none", log_target=True).sum(1)
        distilled = self.temperature**2 * divergence.clamp(min=0)  # rounding may go below
        return (1 - self.share) * losses + self.share * distilled
