"""Measures a network on images: integer misses, a confusion matrix, every prediction. Always in fp32, 100 images at a time, which fit a cache.

With views, a prediction is the mean of the probabilities that each view gives; what the image as it is gives alone is kept beside it.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn

from torchbudget.data.images import Images, as_floats, normalise
from torchbudget.declare.views import View, look
from torchbudget.network.ensemble import vote

BATCH = 100
CLASSES = 10


@dataclass(frozen=True)
class Measurement:
    """`logits` (N, 10) of a network in eval mode, and the true `labels` (N,), both on the CPU; `plain`: the logits without views, where there are any."""

    logits: torch.Tensor
    labels: torch.Tensor
    plain: torch.Tensor | None = None

    @cached_property
    def predictions(self) -> torch.Tensor:
        return self.logits.argmax(1)  # (N, 10) -> (N,)

    @cached_property
    def missed(self) -> dict[int, int]:
        """Index of each wrong image: what it was taken for."""
        wrong = (self.predictions != self.labels).nonzero().flatten()
        return dict(zip(wrong.tolist(), self.predictions[wrong].tolist(), strict=True))

    @property
    def misses(self) -> int:
        return len(self.missed)

    @property
    def misses_without_views(self) -> int | None:
        return None if self.plain is None else int((self.plain.argmax(1) != self.labels).sum())

    @property
    def total(self) -> int:
        return len(self.labels)

    @property
    def loss(self) -> float:
        """Mean cross-entropy, without label smoothing."""
        return F.cross_entropy(self.logits, self.labels).item()

    @property
    def confusion(self) -> list[list[int]]:
        """[true][predicted] counts."""
        counts = torch.zeros(CLASSES, CLASSES, dtype=torch.long)
        counts.index_put_((self.labels, self.predictions), torch.tensor(1), accumulate=True)
        return counts.tolist()

    @property
    def digest(self) -> str:
        return predictions_digest(self.predictions)


def predictions_digest(predictions: torch.Tensor) -> str:
    """SHA-256 of predicted digits (N,), a byte an image."""
    return hashlib.sha256(predictions.to(torch.uint8).numpy().tobytes()).hexdigest()


@torch.no_grad()
def infer(
    network: nn.Module,
    pixels: torch.Tensor,
    device: torch.device | str = "cpu",
    views: tuple[View, ...] = (),
) -> torch.Tensor:
    """Logits (N, 10) of `network` in eval mode for uint8 `pixels` (N, 1, 28, 28), averaged over `views`; its mode is restored.

    Raises ValueError where the logits are not finite (N, 10).
    """
    seen = infer_views(network, pixels, device, views or (View(),))
    return vote(seen, "probabilities") if views else seen[0]


@torch.no_grad()
def infer_views(
    network: nn.Module, pixels: torch.Tensor, device: torch.device | str, views: tuple[View, ...]
) -> torch.Tensor:
    """Logits (V, N, 10) of each view; raises as `infer`."""
    was_training = network.training
    logits = []
    try:
        network.to(device).eval()
        for part in pixels.split(BATCH):
            images = as_floats(part.to(device))
            batches = (
                normalise(look(view, images).clone()).contiguous(memory_format=torch.channels_last)
                for view in views
            )
            logits.append(torch.stack([network(batch).float().cpu() for batch in batches]))
    finally:
        network.train(was_training)
    joined = torch.cat(logits, dim=1)
    if joined.shape != (len(views), len(pixels), CLASSES) or not joined.isfinite().all():
        raise ValueError(
            f"the network gives {tuple(joined.shape[1:])} logits, not finite ({len(pixels)}, {CLASSES})"
        )
    return joined


def measure(
    network: nn.Module,
    images: Images,
    device: torch.device | str = "cpu",
    views: tuple[View, ...] = (),
) -> Measurement:
    """Run `network` in eval mode over all `images`, as `infer` does; one that is not moved is looked at all the same."""
    if not views:
        return Measurement(infer(network, images.pixels, device), images.labels.cpu())
    looked = views if View() in views else (*views, View())
    logits = infer_views(network, images.pixels, device, looked)
    return Measurement(
        vote(logits[: len(views)], "probabilities"),
        images.labels.cpu(),
        logits[looked.index(View())],
    )
