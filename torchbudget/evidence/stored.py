"""The forms in which a weights file holds numbers: float32, float16 and int8.

float32 and float16 hold every floating-point tensor in that precision. int8 holds those of two
dimensions or more (filters, matrices) as whole numbers of -127 to 127, times a scale for each index
of the first dimension: the output channels of a convolution or a dense layer. A scale has 11
significant bits and stands as float32 beside its tensor, under the tensor's name and ".scale". All
else that is floating-point (biases, norms with their statistics) is held as float16.

Rounding what is rounded changes nothing, so a network that was loaded gives the same file again.
"""

from collections.abc import Iterable, Mapping

import torch

from torchbudget.errors import WeightsError

SCALE = ".scale"
"""What the name of a tensor's scales ends with."""
LARGEST = 127
SCALE_BITS = 11
"""Significant bits of a scale: the product with a number of 7 bits is exact in float32."""
SMALLEST = 2.0**-100
"""Numbers of a channel that are all below this are stored as 0."""


def is_scaled(tensor: torch.Tensor, stored: str) -> bool:
    """Whether a tensor of a network is stored as whole numbers with scales."""
    return stored == "int8" and tensor.is_floating_point() and tensor.dim() > 1


def find_dtype(tensor: torch.Tensor, stored: str) -> torch.dtype:
    """The type in which a tensor of a network is stored."""
    if not tensor.is_floating_point():
        return tensor.dtype
    if is_scaled(tensor, stored):
        return torch.int8
    return torch.float32 if stored == "float32" else torch.float16


def list_forms(
    state: Mapping[str, torch.Tensor], stored: str
) -> dict[str, tuple[tuple[int, ...], torch.dtype]]:
    """Shape and type of each tensor in the file of a network with the tensors `state`, by name.

    Raises `WeightsError` where a tensor has the name of another one's scales.
    """
    forms: dict[str, tuple[tuple[int, ...], torch.dtype]] = {}
    for name, tensor in state.items():
        forms[name] = tuple(tensor.shape), find_dtype(tensor, stored)
        if is_scaled(tensor, stored):
            if f"{name}{SCALE}" in state:
                raise WeightsError(
                    f'the network has a tensor {name}{SCALE}, which stored="int8" needs for the '
                    "scales of another one; rename it"
                )
            forms[f"{name}{SCALE}"] = (tensor.shape[0],), torch.float32
    return forms


def count_bytes(tensors: Iterable[torch.Tensor], stored: str) -> int:
    """Bytes of the tensors in the file of a network that has `tensors`."""
    forms = list_forms({str(number): tensor for number, tensor in enumerate(tensors)}, stored)
    return sum(torch.Size(shape).numel() * dtype.itemsize for shape, dtype in forms.values())


def count_scales(tensors: Iterable[torch.Tensor], stored: str) -> int:
    """The scales that are stored beside `tensors`."""
    return sum(tensor.shape[0] for tensor in tensors if is_scaled(tensor, stored))


# --- rounding -------------------------------------------------------------------------------------


def find_scales(tensor: torch.Tensor) -> torch.Tensor:
    """The scale of each index of the first dimension of a tensor, float64 (n,).

    It is the largest number there by 127, rounded up to `SCALE_BITS`.
    """
    largest = tensor.double().abs().flatten(1).amax(1)
    mantissas, exponents = torch.frexp(largest / LARGEST)
    whole = 2.0**SCALE_BITS
    scales = torch.ldexp((mantissas * whole).ceil() / whole, exponents)
    return scales.where(largest >= SMALLEST, 0.0)


def pack_tensors(state: Mapping[str, torch.Tensor], stored: str) -> dict[str, torch.Tensor]:
    """The tensors of a file of a network's tensors `state`, each with memory of its own.

    Raises `WeightsError` as `list_forms`.
    """
    packed: dict[str, torch.Tensor] = {}
    for name, (_, dtype) in list_forms(state, stored).items():
        if name not in state:
            packed[name] = find_scales(state[name.removesuffix(SCALE)]).to(dtype).clone()
            continue
        tensor = state[name].detach().cpu()
        if is_scaled(tensor, stored):
            tensor = _to_whole_numbers(tensor)
        packed[name] = tensor.to(dtype).clone(memory_format=torch.contiguous_format)
    return packed


def _to_whole_numbers(tensor: torch.Tensor) -> torch.Tensor:
    scales = find_scales(tensor).view(-1, *[1] * (tensor.dim() - 1))
    return (tensor.double() / scales.where(scales > 0, 1.0)).round()


def unpack_tensors(
    tensors: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor] | None = None
) -> dict[str, torch.Tensor]:
    """A network's tensors from those of its file, whole numbers times their scales as float32.

    `state` are the network's tensors; without them, whole numbers have scales where there are some
    by that name. Raises `WeightsError` for whole numbers in a fraction's place without scales that
    fit.
    """
    unpacked = dict(tensors)
    for name, tensor in tensors.items():
        if tensor.dtype != torch.int8 or tensor.dim() < 2:
            continue
        if state is not None and not (name in state and state[name].is_floating_point()):
            continue
        scales = tensors.get(f"{name}{SCALE}")
        if scales is None and state is None:
            continue
        if scales is None or scales.shape != tensor.shape[:1]:
            raise WeightsError(f"{name} holds whole numbers without a scale for each channel")
        unpacked[name] = tensor.float() * scales.float().view(-1, *[1] * (tensor.dim() - 1))
        del unpacked[f"{name}{SCALE}"]
    return unpacked


def round_tensor(tensor: torch.Tensor, stored: str) -> torch.Tensor:
    """A tensor of a network as it is after it has been stored, in its own type."""
    rounded = unpack_tensors(pack_tensors({"": tensor}, stored))[""]
    return rounded.to(tensor.dtype)
