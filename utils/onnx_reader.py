"""A network that `make export` wrote, read without torch."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from torchbudget.errors import TorchBudgetError
from torchbudget.reading import reading
from torchbudget.report.text import first_line
from utils.picture import check_digits

if TYPE_CHECKING:
    import onnxruntime

SHAPE = [1, 28, 28]
ERRORS_ONLY = 3


class OnnxError(TorchBudgetError):
    """A file that is not what `make export` writes, or that ONNX Runtime does not take."""


def open_session(content: bytes, num_threads: int = 0) -> "onnxruntime.InferenceSession":
    """An ONNX model on the CPU; with 0 threads the runtime chooses how many."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = num_threads
    options.log_severity_level = ERRORS_ONLY
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


class OnnxReader:
    """The network in an exported file: uint8 images (N, 1, 28, 28) to probabilities (N, 10).

    `name` is that of the entry. Raises `OnnxError`, and `UsageError` where it reads no digits.
    """

    def __init__(self, path: Path) -> None:
        with reading(path, OnnxError, "cannot be read"):
            content = path.read_bytes()
        try:
            self._session = open_session(content)
        except ModuleNotFoundError as error:
            raise OnnxError(f"{path} needs onnxruntime: pip install onnxruntime") from error
        except Exception as error:  # ONNX Runtime has a dozen kinds
            raise OnnxError(f"{path} is no ONNX model: {first_line(error)}") from error
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if [(one.type, one.shape[1:]) for one in inputs] != [("tensor(uint8)", SHAPE)] or [
            (one.type, one.shape[1:]) for one in outputs
        ] != [("tensor(float)", [10])]:
            raise OnnxError(
                f"{path} does not take uint8 images of 1x28x28 and give ten probabilities, as what "
                "`make export` writes of an entry of MNIST does"
            )
        self._source = inputs[0].name
        known = self._session.get_modelmeta().custom_metadata_map
        self.name = known.get("name", path.stem)
        check_digits(self.name, known.get("dataset", ""))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        (probabilities,) = self._session.run(None, {self._source: images})
        return probabilities
