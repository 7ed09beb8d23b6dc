"""Faster forms of some layers, for training on a CPU.

What they compute has the same distribution as what torch's layers compute; the random numbers of
dropout differ.
"""

import itertools
from typing import Any

import numpy as np
import torch
from torch import nn

MIN_FAST_NUMEL = 1 << 17
"""Elements of a map from which on `FastDropout` draws its own mask; smaller ones are torch's."""
VECTOR = 16
"""torch vectorises channels-last BatchNorm in blocks of this many channels.

Channels that do not fill a block go through a scalar loop.
"""


class FastDropout(nn.Dropout):
    """`nn.Dropout` that draws the mask of a large map several times as fast as torch.

    It takes 16 random bits an element from NumPy's SFC64, which is seeded by one draw from torch's
    generator: torch's state alone determines all masks to come.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        is_fast = x.numel() >= MIN_FAST_NUMEL and x.device.type == "cpu"
        if not self.training or not 0 < self.p < 1 or not is_fast:
            return super().forward(x)
        return x * draw_mask(x, self.p)


def draw_mask(x: torch.Tensor, p: float) -> torch.Tensor:
    """A dropout mask of the shape, layout and dtype of `x`, which must be dense.

    Each element is 0 with probability `p`, to within 2**-17, else 1 / (1 - p).
    """
    seed = int(torch.randint(2**63 - 1, ()))
    num_words = -(-x.numel() // 4)  # of 64 bits, four elements each
    words = np.random.SFC64(seed).random_raw(num_words)
    draws = torch.from_numpy(words.view(np.int16))  # uniform in -2**15 ... 2**15 - 1
    threshold = min(round(p * 2**16), 2**16 - 1) - 2**15
    kept = draws.ge_(threshold)  # int16, 0 or 1
    scale = torch.tensor(1 / (1 - p), dtype=x.dtype)
    if x.dtype.itemsize == 2:  # in place: times the bits of the scale, as the bits of 0 are all 0
        mask = kept.mul_(scale.view(torch.int16)).view(x.dtype)
    else:
        mask = kept.to(x.dtype).mul_(scale)
    return mask.as_strided(x.shape, x.stride())


class ConvertLayout(torch.autograd.Function):
    """A map (N, C, H, W) in the memory format `forward_format`, its gradient in `backward_format`.

    torch is slow where two memory formats meet, so the gradient is converted, too.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: torch.Tensor,
        forward_format: torch.memory_format,
        backward_format: torch.memory_format,
    ) -> torch.Tensor:
        ctx.backward_format = backward_format
        return x.contiguous(memory_format=forward_format)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient.contiguous(memory_format=ctx.backward_format), None, None


def is_ragged(module: nn.Module) -> bool:
    """Whether `module` is a BatchNorm whose channels do not fill torch's vectors."""
    return type(module) is nn.BatchNorm2d and module.num_features % VECTOR != 0


def make_channels_first(
    module: nn.Module, inputs: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    """A forward pre-hook: maps (N, C, H, W) become channels first, other inputs stay."""
    converted = []
    for x in inputs:
        if x.dim() == 4 and not x.is_contiguous():
            x = ConvertLayout.apply(x, torch.contiguous_format, torch.channels_last)
        converted.append(x)
    return tuple(converted)


def make_channels_last(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
) -> torch.Tensor:
    """A forward hook: the output map (N, C, H, W) becomes channels last."""
    if output.is_contiguous(memory_format=torch.channels_last):
        return output
    return ConvertLayout.apply(output, torch.channels_last, torch.contiguous_format)


def accelerate(network: nn.Module, device: torch.device) -> nn.Module:
    """Replace the slow layers of `network` in place if `device` is a CPU, and return it.

    Its parameters, its buffers and their names stay.
    """
    if device.type != "cpu":
        return network
    for module in network.modules():
        if isinstance(module, nn.Sequential):
            for first, second in itertools.pairwise(module):
                give_channels_first(first, second)
    for name, module in list(network.named_modules()):
        if type(module) is nn.Dropout:
            parent, _, key = name.rpartition(".")
            setattr(network.get_submodule(parent), key, FastDropout(module.p))
        elif is_ragged(module):
            module.register_forward_pre_hook(make_channels_first)
            module.register_forward_hook(make_channels_last)
        elif type(module) is nn.Flatten:
            module.register_forward_pre_hook(make_channels_first)
    return network


def give_channels_first(first: nn.Module, second: nn.Module) -> None:
    """Let a convolution of one channel, before a ragged norm, give its maps channels first.

    Its weights in that layout suffice: the layouts of a single channel are the same.
    """
    if isinstance(first, nn.Conv2d) and first.in_channels == 1 and is_ragged(second):
        weight = first.weight
        weight.data = weight.data.clone(memory_format=torch.contiguous_format)
