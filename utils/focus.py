"""Which images the next batches are made of."""

import math
from collections.abc import Iterator

import torch

from utils.recipe import Focus

AHEAD = 8
"""Batches that are made at a time: their augmentation is as many calls as that of one."""


class Sampler:
    """The order in which `count` images are trained on, `steps` batches of `size` an epoch.

    Without a focus an epoch is a random order of all images; what is left over waits for another one. With a focus, every epoch but the first is
    made of rounds, each of the images that `focus` picks by the losses that `note` was told.
    """

    def __init__(
        self, focus: Focus | None, count: int, size: int, steps: int, generator: torch.Generator
    ) -> None:
        self.focus, self.size, self.steps, self.generator = focus, size, steps, generator
        self.losses = torch.full((count,), math.inf, device=generator.device)

    def epoch(self, number: int) -> Iterator[torch.Tensor]:
        """Indices of the batches of the epoch `number`, 0-based, (n, size) for the next n of them; a round is chosen when it begins."""
        todo = self.steps
        while todo:
            order = self._round(number)
            batches = order[: len(order) // self.size * self.size].view(-1, self.size)[:todo]
            yield from batches.split(AHEAD)
            todo -= len(batches)

    def _round(self, number: int) -> torch.Tensor:
        """Indices in random order: all images, or those that the focus picks, at least a batch of them."""
        count = len(self.losses)
        if not self.focus or number == 0:
            return torch.randperm(count, generator=self.generator, device=self.losses.device)
        picked = max(round(self.focus.share * count), self.size)
        chance = (
            torch.randn(count, generator=self.generator, device=self.losses.device)
            .mul_(self.focus.noise)
            .exp_()
        )
        hardest = (self.losses * chance).topk(picked).indices
        return hardest[torch.randperm(picked, generator=self.generator, device=self.losses.device)]

    def note(self, index: torch.Tensor, losses: torch.Tensor) -> None:
        """The loss (B,) of each image of a batch, as trained on; one that has not been seen counts as infinite."""
        if self.focus:
            self.losses[index] = losses

    def state_dict(self) -> dict[str, torch.Tensor]:
        return {"losses": self.losses} if self.focus else {}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        self.losses.copy_(state.get("losses", self.losses))
