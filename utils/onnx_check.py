"""Whether ONNX Runtime makes of the test images what torch does."""

from types import ModuleType
from typing import ClassVar

import torch

from torchbudget.data.images import Dataset
from torchbudget.errors import EXIT_FAIL, TorchBudgetError
from torchbudget.evidence.measure import BATCH, Measurement
from torchbudget.evidence.rounding import Flip, is_excused, list_flips
from torchbudget.report.text import first_line

SHOWN = 5
"""Flips that a message lists."""


class ExportError(TorchBudgetError):
    """A network that ONNX or ONNX Runtime does not take; the message says why."""


class MismatchError(ExportError):
    """An exported network that predicts otherwise than torch does."""

    exit_code: ClassVar[int] = EXIT_FAIL


def load_onnx() -> ModuleType:
    """`utils.onnx_file`; raises `ExportError` where what it needs is not installed."""
    try:
        from utils import onnx_file
    except ModuleNotFoundError as error:
        raise ExportError(
            f"{error.name} is not installed: pip install -r requirements-dev.txt"
        ) from error
    return onnx_file


def run_onnx(name: str, content: bytes, dataset: Dataset) -> torch.Tensor:
    """What ONNX Runtime gives for all test images, (N, classes); raises `ExportError`."""
    files = load_onnx()
    try:
        network = files.OnnxNetwork(content)
        return torch.cat([network(part) for part in dataset.test.pixels.split(BATCH)])
    except Exception as error:  # a runtime may raise anything
        raise ExportError(
            f"{name} does not run in ONNX Runtime: {type(error).__name__}: {first_line(error)}"
        ) from error


def compare(name: str, given: torch.Tensor, measured: Measurement, margin: float) -> list[Flip]:
    """The predictions in which the probabilities `given` (N, classes) differ from torch's.

    Rounding alone, by `margin` relative to the largest logit of an image, can have parted each.
    Raises `MismatchError` for any other difference.
    """
    expected = measured.logits.softmax(1)
    if given.shape != expected.shape:
        raise MismatchError(
            f"{name} gives {tuple(given.shape)} probabilities in ONNX Runtime, "
            f"{tuple(expected.shape)} in torch; nothing is written"
        )
    flips = list_flips(measured.predictions, given.argmax(1))
    wrong = [flip for flip in flips if not is_excused(flip, measured.logits, margin)]
    if wrong:
        raise MismatchError(
            f"{name}: ONNX Runtime takes {len(wrong):,} of {len(given):,} test images for another "
            f"class than torch: {list_first(wrong)}; nothing is written"
        )
    away = (given - expected).abs().amax(1)
    far = ~(away <= margin * measured.logits.abs().amax(1))  # a NaN is far, too
    if far.any():
        raise MismatchError(
            f"{name}: the probabilities that ONNX Runtime gives for {int(far.sum()):,} of "
            f"{len(given):,} test images are not torch's, by up to {float(away[far].max()):.1e}, "
            "more than rounding can part them; nothing is written"
        )
    return flips


def list_first(flips: list[Flip]) -> str:
    """The first flips, as "#12 3->5", from torch's class to ONNX Runtime's."""
    shown = [f"#{index} {was}->{now}" for index, was, now in flips[:SHOWN]]
    rest = len(flips) - len(shown)
    return ", ".join(shown) + (f" and {rest} more" if rest else "")
