"""Measures a network on images: integer misses, a confusion matrix, every prediction.

It always runs in fp32, 100 images at a time, which fit a cache. With views, a prediction is the
mean of the probabilities that each view gives; what the unmoved image alone gives is kept beside
it.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
import torch.nn.functional as F
from torch import nn

from torchbudget.data.images import Images, ImageSpec, as_floats, label_bytes
from torchbudget.declare.views import View, transform
from torchbudget.errors import NetworkError
from torchbudget.network.ensemble import vote

BATCH = 100
MAX_MATRIX = 100
"""Classes up to which the confusion matrix is kept whole; above, its largest errors only."""


@dataclass(frozen=True)
class Measurement:
    """What a network in eval mode makes of images; all tensors are on the CPU.

    `logits`: (N, classes); `labels`: the true classes (N,); `plain`: the logits without views,
    where there are any.
    """

    logits: torch.Tensor
    labels: torch.Tensor
    plain: torch.Tensor | None = None

    @property
    def num_classes(self) -> int:
        return self.logits.shape[1]

    @cached_property
    def predictions(self) -> torch.Tensor:
        return self.logits.argmax(1)  # (N, classes) -> (N,)

    @cached_property
    def missed(self) -> dict[int, int]:
        """Index of each wrong image: the class it was taken for."""
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
        """[true][predicted] counts; empty above `MAX_MATRIX` classes."""
        return count_confusion(self.labels, self.predictions, self.num_classes)

    @property
    def worst_confusions(self) -> list[list[int]]:
        """[true, predicted, count] of the largest errors, above `MAX_MATRIX` classes."""
        return list_confusions(self.labels, self.predictions, self.num_classes)

    @property
    def digest(self) -> str:
        return predictions_digest(self.predictions, self.num_classes)


def count_confusion(
    labels: torch.Tensor, predictions: torch.Tensor, num_classes: int
) -> list[list[int]]:
    """[true][predicted] counts of labels and predictions (N,); empty above `MAX_MATRIX` classes."""
    if num_classes > MAX_MATRIX:
        return []
    cells = torch.bincount(labels * num_classes + predictions, minlength=num_classes**2)
    return cells.view(num_classes, num_classes).tolist()


def list_confusions(
    labels: torch.Tensor, predictions: torch.Tensor, num_classes: int
) -> list[list[int]]:
    """[true, predicted, count] of the `MAX_MATRIX` largest errors; empty where a matrix is kept."""
    if num_classes <= MAX_MATRIX:
        return []
    wrong = labels != predictions
    codes, counts = (labels * num_classes + predictions)[wrong].unique(return_counts=True)
    rows = [
        [code // num_classes, code % num_classes, count]
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True)
    ]
    return sorted(rows, key=lambda row: (-row[2], row[0], row[1]))[:MAX_MATRIX]


def predictions_digest(predictions: torch.Tensor, num_classes: int) -> str:
    """SHA-256 of the predicted classes (N,)."""
    return hashlib.sha256(label_bytes(predictions, num_classes)).hexdigest()


def infer(
    network: nn.Module,
    pixels: torch.Tensor,
    image: ImageSpec,
    device: torch.device | str = "cpu",
    views: tuple[View, ...] = (),
    batches_at_once: int = 1,
) -> torch.Tensor:
    """Logits (N, classes) of `network` in eval mode for uint8 `pixels` (N, C, H, W).

    They are averaged over `views`. The network keeps its mode. `batches_at_once` may be more than
    1 for a network that a forward leaves as it is: each batch then runs on its share of torch's
    threads, which is faster than one batch on all of them. Raises `NetworkError` where the logits
    are not finite or not of that shape.
    """
    logits = infer_views(network, pixels, image, device, views or (View(),), batches_at_once)
    return vote(logits, "probabilities") if views else logits[0]


def infer_views(
    network: nn.Module,
    pixels: torch.Tensor,
    image: ImageSpec,
    device: torch.device | str,
    views: tuple[View, ...],
    batches_at_once: int = 1,
) -> torch.Tensor:
    """Logits (V, N, classes) of each view; raises as `infer`."""

    @torch.no_grad()
    def run(part: torch.Tensor) -> torch.Tensor:
        floats = as_floats(part.to(device))
        logits = []
        for view in views:
            batch = image.normalise(transform(view, floats).clone())
            logits.append(network(batch).float().cpu())
        return torch.stack(logits)

    was_training = network.training
    try:
        network.to(device).eval()
        with _map(batches_at_once) as each:
            parts = list(each(run, pixels.split(BATCH)))
    finally:
        network.train(was_training)
    joined = torch.cat(parts, dim=1)
    if joined.shape != (len(views), len(pixels), image.num_classes):
        raise NetworkError(
            f"the network gives {tuple(joined.shape[1:])} logits, "
            f"({len(pixels)}, {image.num_classes}) are needed"
        )
    if not joined.isfinite().all():
        raise NetworkError("the network gives logits that are not finite")
    return joined


@contextmanager
def on_threads(threads: int) -> Iterator[None]:
    """Compute on so many threads meanwhile."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _map(at_once: int) -> Iterator[Callable[..., Iterator[torch.Tensor]]]:
    """A `map` that makes that many calls at once; torch's threads are divided between them."""
    if at_once == 1:
        yield map
        return
    share = max(1, torch.get_num_threads() // at_once)
    with on_threads(share), ThreadPoolExecutor(at_once) as pool:
        yield pool.map


def measure(
    network: nn.Module,
    images: Images,
    device: torch.device | str = "cpu",
    views: tuple[View, ...] = (),
    batches_at_once: int = 1,
) -> Measurement:
    """Run `network` in eval mode over all `images`, as `infer` does.

    With views, the unmoved image is always measured too, so that accuracy without views is known.
    """
    labels = images.labels.cpu()
    if not views:
        logits = infer(
            network, images.pixels, images.image, device, batches_at_once=batches_at_once
        )
        return Measurement(logits, labels)
    needed = views if View() in views else (*views, View())
    logits = infer_views(network, images.pixels, images.image, device, needed, batches_at_once)
    voted = vote(logits[: len(views)], "probabilities")
    return Measurement(voted, labels, logits[needed.index(View())])
