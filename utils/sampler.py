"""Which images the next batches are made of."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from torchbudget.declare.validation import check

BATCHES_AT_ONCE = 8
"""Batches that are augmented in one call: eight cost about as many kernel launches as one."""


@dataclass(frozen=True, kw_only=True)
class Focus:
    """Online hard-example mining: after the first epoch, train on what is still hard.

    Each later epoch is made of rounds of a `share` of the training images, those with the highest
    loss. A round is chosen when the one before it is used up, by the loss of each image when it was
    last trained on, times exp(`noise` * N(0, 1)), so that easy images return, too. After "Online
    batch selection" (Loshchilov & Hutter 2015, arXiv:1511.06343).
    """

    share: float = 0.3
    noise: float = 1.0

    def __post_init__(self) -> None:
        check(self, share=(1e-6, 1), noise=(0, 100))

    def choose(
        self, losses: torch.Tensor, batch_size: int, generator: torch.Generator
    ) -> torch.Tensor:
        """Indices (n,) of the images of a round, in random order; at least a batch of them.

        `losses` (N,) holds the last loss of every training image.
        """
        count = max(round(self.share * len(losses)), batch_size)
        normal = torch.randn(len(losses), generator=generator, device=losses.device)
        factors = normal.mul_(self.noise).exp_()
        hardest = (losses * factors).topk(count).indices
        return hardest[torch.randperm(count, generator=generator, device=losses.device)]


class Sampler:
    """The order in which `num_images` images are trained on, in `num_batches` batches an epoch.

    Without a focus, an epoch is a random order of all images, but for those that do not fill a
    batch. With a focus, the first epoch is that, and every later one is made of the rounds that the
    focus chooses.
    """

    def __init__(
        self,
        focus: Focus | None,
        num_images: int,
        batch_size: int,
        num_batches: int,
        generator: torch.Generator,
    ) -> None:
        self.focus = focus
        self.batch_size = batch_size
        self.num_batches = num_batches
        self.generator = generator
        self.losses = torch.full((num_images,), math.inf, device=generator.device)

    def epoch(self, number: int) -> Iterator[torch.Tensor]:
        """Indices (n, batch_size) of the next n batches of the epoch `number`, 0-based.

        A round is chosen when it begins; no tensor holds batches of two rounds.
        """
        left = self.num_batches
        while left:
            indices = self.choose_round(number)
            whole = len(indices) // self.batch_size * self.batch_size
            batches = indices[:whole].view(-1, self.batch_size)[:left]
            yield from batches.split(BATCHES_AT_ONCE)
            left -= len(batches)

    def choose_round(self, epoch: int) -> torch.Tensor:
        """Indices in random order: all images, or those that the focus chooses."""
        if self.focus and epoch > 0:
            return self.focus.choose(self.losses, self.batch_size, self.generator)
        return torch.randperm(len(self.losses), generator=self.generator, device=self.losses.device)

    def update_losses(self, indices: torch.Tensor, losses: torch.Tensor) -> None:
        """Note the loss (B,) of each image of a batch; until then, that of an image is infinite."""
        if self.focus:
            self.losses[indices] = losses

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"losses": self.losses} if self.focus else {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.losses.copy_(state.get("losses", self.losses))
