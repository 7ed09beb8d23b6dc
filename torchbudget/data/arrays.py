"""Arrays of somebody's own, made into `Images`, or refused in one sentence that names the row."""

from typing import Any

import numpy as np
import torch

from torchbudget.data.images import Dataset, Images, ImageSpec
from torchbudget.errors import DataError


def to_images(
    place: str, pixels: torch.Tensor, labels: torch.Tensor, image: ImageSpec | None
) -> Images:
    """uint8 (N, C, H, W) and integers (N,) as `Images`; the form is taken from them where None.

    Raises `DataError`, which names `place` and the first row that does not fit.
    """
    if pixels.dtype != torch.uint8:
        raise DataError(f"{place}: pixels must be uint8 from 0 to 255, not {pixels.dtype}")
    if pixels.ndim != 4 or not pixels.numel():
        raise DataError(f"{place}: images must be (N, C, H, W), not {tuple(pixels.shape)}")
    if labels.ndim != 1 or len(labels) != len(pixels):
        raise DataError(
            f"{place}: {len(pixels):,} images and labels of shape {tuple(labels.shape)}; "
            "one label for each image is needed"
        )
    if labels.is_floating_point() or labels.is_complex() or labels.dtype == torch.bool:
        raise DataError(f"{place}: labels must be integers, not {labels.dtype}")
    labels = labels.long()
    if image is None:
        channels, height, width = pixels.shape[1:]
        image = ImageSpec((channels, height, width), max(int(labels.max()) + 1, 2))
    if tuple(pixels.shape[1:]) != image.shape:
        found = "x".join(map(str, pixels.shape[1:]))
        raise DataError(f"{place}: images of {found}, {image.describe()} are expected")
    wrong = ((labels < 0) | (labels >= image.num_classes)).nonzero().flatten()
    if len(wrong):
        row = int(wrong[0])
        raise DataError(
            f"{place}: row {row} has label {int(labels[row])}, outside 0 to {image.num_classes - 1}"
        )
    return Images(pixels.contiguous(), labels, image)


def from_array(place: str, values: Any) -> torch.Tensor:
    """Pixels (N, H, W), (N, H, W, C), or a tensor (N, C, H, W), as a tensor (N, C, H, W)."""
    if isinstance(values, torch.Tensor):
        return values.detach().cpu() if values.ndim == 4 else values.detach().cpu().unsqueeze(1)
    array = np.asarray(values)
    if array.dtype != np.uint8:
        raise DataError(f"{place}: pixels must be uint8 from 0 to 255, not {array.dtype}")
    if array.ndim not in (3, 4):
        raise DataError(f"{place}: images must be (N, H, W) or (N, H, W, C), not {array.shape}")
    pixels = torch.from_numpy(np.ascontiguousarray(array))
    return pixels.unsqueeze(1) if array.ndim == 3 else pixels.permute(0, 3, 1, 2)


def from_labels(place: str, values: Any) -> torch.Tensor:
    """Labels (N,) or, as Keras gives some, (N, 1)."""
    labels = values.detach().cpu() if isinstance(values, torch.Tensor) else np.asarray(values)
    if not isinstance(labels, torch.Tensor):
        if labels.dtype.kind not in "iu":
            raise DataError(f"{place}: labels must be integers, not {labels.dtype}")
        labels = torch.from_numpy(labels.astype(np.int64))
    return labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels


Part = tuple[str, Any, Any]
"""(what a message calls it, pixels, labels)."""


def to_dataset(name: str, train: Part, test: Part, image: ImageSpec | None) -> Dataset:
    """A data set of two parts of one form.

    Where `image` is None, the classes are those of both parts together. Raises `DataError`.
    """
    (train_place, train_x, train_y), (test_place, test_x, test_y) = (
        (place, from_array(place, pixels), from_labels(place, labels))
        for place, pixels, labels in (train, test)
    )
    if image is None:
        shape = to_images(train_place, train_x, train_y, None).image.shape
        to_images(test_place, test_x, test_y, None)
        num_classes = max(int(train_y.max()), int(test_y.max())) + 1
        image = ImageSpec(shape, max(num_classes, 2))
    return Dataset(
        name,
        to_images(train_place, train_x, train_y, image),
        to_images(test_place, test_x, test_y, image),
    )
