"""Whether a weights file holds an entry's tensors and nothing else, and whether two are one run."""

from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from torchbudget.errors import WeightsError
from torchbudget.evidence.stored import list_forms, pack_tensors, unpack_tensors

NEAR = 0.1
"""Relative distance up to which two tensors are all but equal.

Storing as float16 moves a tensor by 0.0005 of its norm, as int8 by some 0.01. Two runs of this zoo
are 0.86 apart or more in one of their tensors, those of two seeds about 1.4.
"""
NEAR_SORTED = 2e-2
"""The same for their sorted values, which a permutation of channels leaves as they are.

They are 0.055 apart or more in one of the tensors of two runs of this zoo.
"""


def find_odd_content(content: bytes, expected: Mapping[str, torch.Tensor], stored: str) -> str:
    """What a weights file holds but an entry's finite tensors, written as `to_safetensors` writes.

    `expected` is the state of the entry's network, `stored` the precision of its floating-point
    tensors. "" where the file is as it should be.
    """
    try:
        state = load(content)
    except SafetensorError as error:
        return f"cannot be read ({error})"
    if save(state) != content:
        return "holds more than its tensors, or not in their order: saved again, it is other bytes"
    try:
        forms = list_forms(expected, stored)
    except WeightsError as error:
        return f"cannot be: {error}"
    if state.keys() != forms.keys():
        odd = sorted(state.keys() ^ forms.keys())[0]
        return f"has {odd}, the network has not" if odd in state else f"lacks {odd}"
    for name, tensor in sorted(state.items()):
        shape, dtype = forms[name]
        if (tuple(tensor.shape), tensor.dtype) != (shape, dtype):
            return f"holds {name} as {tensor.dtype} {tuple(tensor.shape)}, not as {dtype} {shape}"
        if not tensor.isfinite().all():
            return f"holds numbers in {name} that are not finite"
    again = pack_tensors(unpack_tensors(state, expected), stored)
    other = [name for name in state if not torch.equal(state[name], again[name])]
    if other:
        return f"holds {other[0]} in a form of its own: rounded again, it is other numbers"
    return ""


class LearnedTensors:
    """The tensors of a weights file that training moves, the smallest first.

    Names, precision and metadata of the file do not enter: tensors are told apart by their shape,
    and whole numbers count times their scales.
    Tensors of one dimension, such as biases and statistics of norms, are left out where there are
    others. `fixed` names those that training leaves as they are. Raises `SafetensorError`,
    `OSError` and `WeightsError`.
    """

    def __init__(self, path: Path, fixed: Collection[str] = ()) -> None:
        state = unpack_tensors(load(path.read_bytes()))
        learned = [
            tensor
            for name, tensor in state.items()
            if tensor.is_floating_point() and name not in fixed
        ]
        matrices = [tensor for tensor in learned if tensor.dim() > 1] or learned
        self.tensors = sorted(matrices, key=lambda tensor: (tensor.numel(), tuple(tensor.shape)))

    def is_nearly(self, other: "LearnedTensors") -> bool:
        """Whether all tensors are all but equal to the other file's, perhaps permuted."""
        pairs = list(zip(self.tensors, other.tensors, strict=False))
        shapes = [tensor.shape for tensor in self.tensors]
        if not pairs or shapes != [tensor.shape for tensor in other.tensors]:
            return False
        return all(_are_near(one, two) for one, two in pairs) or all(
            _are_near_sorted(one, two) for one, two in pairs
        )


def _are_near(one: torch.Tensor, two: torch.Tensor, limit: float = NEAR) -> bool:
    """Whether two tensors differ by at most `limit` of the longer one's norm."""
    first = one.double()
    second = two.double()
    longer = max(first.norm().item(), second.norm().item())
    return bool((first - second).norm().item() <= limit * longer)


def _are_near_sorted(one: torch.Tensor, two: torch.Tensor) -> bool:
    return _are_near(one.flatten().sort().values, two.flatten().sort().values, NEAR_SORTED)
