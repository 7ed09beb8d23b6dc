"""Measures a network on images: integer misses, a confusion matrix, every prediction. Always in fp32, 1,000 images at a time."""

import hashlib
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn

from utils.data import Images, as_floats, normalise

BATCH = 1_000
CLASSES = 10


@dataclass(frozen=True)
class Measurement:
    """`logits` (N, 10) of a network in eval mode, and the true `labels` (N,), both on the CPU."""

    logits: torch.Tensor
    labels: torch.Tensor

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
def measure(network: nn.Module, images: Images, device: torch.device | str = "cpu") -> Measurement:
    """Run `network` in eval mode over all `images`; its mode is restored. Raises ValueError where the logits are not finite (N, 10)."""
    was_training = network.training
    logits = []
    try:
        network.to(device).eval()
        for pixels in images.pixels.split(BATCH):
            batch = normalise(as_floats(pixels.to(device))).contiguous(memory_format=torch.channels_last)
            logits.append(network(batch).float().cpu())
    finally:
        network.train(was_training)
    joined = torch.cat(logits)
    if joined.shape != (len(images), CLASSES) or not joined.isfinite().all():
        raise ValueError(f"the network gives {tuple(joined.shape)} logits, not finite ({len(images)}, {CLASSES})")
    return Measurement(joined, images.labels.cpu())
