"""Reading the weights that somebody's own training loop has saved."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch

from torchbudget.data.memory import check_memory
from torchbudget.errors import DataError, WeightsError
from torchbudget.reading import reading

KEYS = ("state_dict", "model_state_dict", "model")
"""Under which keys checkpoints hold the network's state dict."""
HOW_TO_SAVE = "save its state dict: torch.save(model.state_dict(), FILE)"


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in a file of safetensors, or as `torch.save` writes it (`.pth`, `.pt`).

    A checkpoint that holds it under "state_dict", "model_state_dict" or "model" is unwrapped. No
    code in the file is run. Raises `WeightsError` for a file that is missing, or that holds
    anything else.
    """
    if not path.is_file():
        raise WeightsError(f"{path} is not a file; --weights names the weights that were saved")
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    return _unwrap(_read_torch(path), path)


def _read_safetensors(path: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load

    with reading(path, WeightsError, "is not a file of safetensors"):
        return load(path.read_bytes())


def _read_torch(path: Path) -> object:
    problem = "is not a file that torch.save wrote, or is damaged"
    with reading(path, WeightsError, problem, HOW_TO_SAVE):
        check_unpacked_size(path)
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            if "Unsupported" not in str(error) and "GLOBAL" not in str(error):
                raise
            raise WeightsError(
                f"{path} holds Python objects, such as a whole network, not only tensors; "
                f"{HOW_TO_SAVE}"
            ) from error


def check_unpacked_size(path: Path) -> None:
    """Raises `WeightsError` for an archive that unpacks to more than memory holds."""
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    try:
        check_memory(str(path), size)
    except DataError as error:
        raise WeightsError(f"{path} unpacks to more than memory holds") from error


def _unwrap(content: object, path: Path) -> dict[str, torch.Tensor]:
    """The state dict itself, or the one that a checkpoint holds."""
    if isinstance(content, Mapping):
        for key in KEYS:
            if isinstance(content.get(key), Mapping):
                content = content[key]
                break
    if not isinstance(content, Mapping) or not content:
        raise WeightsError(f"{path} holds a {type(content).__name__}, no state dict; {HOW_TO_SAVE}")
    state = {}
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise WeightsError(
                f"{path}: {name!r} is a {type(tensor).__name__}, where a state dict holds tensors; "
                f"{HOW_TO_SAVE}"
            )
        state[name] = tensor
    return state
