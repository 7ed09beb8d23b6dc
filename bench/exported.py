"""The forms in which a trained network runs.

They are eager, exported by torch, in ONNX Runtime, and compiled ahead of time by AOTInductor.
"""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

Form = Callable[[torch.Tensor], torch.Tensor]
"""Normalised images (B, 1, 28, 28), B fixed, to logits (B, 10)."""


def make_eager(network: nn.Module, example: torch.Tensor, folder: Path) -> Form:
    network.to(memory_format=torch.channels_last)
    return lambda images: network(images.contiguous(memory_format=torch.channels_last))


def make_exported(network: nn.Module, example: torch.Tensor, folder: Path) -> Form:
    return torch.export.export(network, (example,)).module()


def make_onnx(network: nn.Module, example: torch.Tensor, folder: Path) -> Form:
    from utils.onnx_file import OnnxNetwork, to_onnx

    model = to_onnx(network, example, "images", "logits", dynamic=False)
    return OnnxNetwork(model.SerializeToString())


def make_compiled(network: nn.Module, example: torch.Tensor, folder: Path) -> Form:
    from torch._inductor import aoti_compile_and_package, aoti_load_package

    program = torch.export.export(network, (example,))
    return aoti_load_package(
        aoti_compile_and_package(program, package_path=str(folder / "network.pt2"))
    )


FORMS: dict[str, Callable[[nn.Module, torch.Tensor, Path], Form]] = {
    "eager": make_eager,
    "torch.export": make_exported,
    "ONNX Runtime": make_onnx,
    "AOTInductor": make_compiled,
}


def make_forms(
    network: nn.Module, example: torch.Tensor, folder: Path
) -> tuple[dict[str, Form], dict[str, str]]:
    """The forms of `network` that run on batches of the shape of `example`.

    For each other form, the second dictionary has the reason.
    """
    forms = {}
    reasons = {}
    for name, make in FORMS.items():
        place = folder / name.replace(" ", "-")
        place.mkdir(parents=True)
        try:
            forms[name] = make(network, example, place)
            forms[name](example)
        except Exception as error:  # a compiler or a runtime may raise anything
            forms.pop(name, None)
            first_line = (str(error).strip() or "-").splitlines()[0]
            reasons[name] = f"{type(error).__name__}: {first_line[:160]}"
    return forms, reasons
