"""The same layers, computed faster on a CPU while a network trains. The distribution of what they give is the same, its random numbers are not."""

import itertools

import numpy as np
import torch
from torch import nn

LARGE = 1 << 17
"""Numbers from which a mask is worth drawing otherwise: below it, draws are as torch's."""
VECTOR = 16
"""Channels of which torch's BatchNorm wants a multiple on channels-last maps: what does not fill a vector is computed number by number."""


class FastDropout(nn.Dropout):
    """`nn.Dropout` whose mask for a large map takes 16 random bits a number, from a generator several times as fast as torch's.

    That generator, NumPy's SFC64, is seeded by one draw from torch's, so torch's state says all that is to come.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not 0 < self.p < 1 or x.numel() < LARGE or x.device.type != "cpu":
            return super().forward(x)
        return x * draw_mask(x, self.p)


def draw_mask(x: torch.Tensor, p: float) -> torch.Tensor:
    """Of the shape, layout and dtype of a dense `x`: 0 with probability `p` to within 2**-17, else 1 / (1 - p)."""
    seed = int(torch.randint(2**63 - 1, ()))
    draws = torch.from_numpy(np.random.SFC64(seed).random_raw(-(-x.numel() // 4)).view(np.int16))
    kept = draws.ge_(
        min(round(p * 2**16), 2**16 - 1) - 2**15
    )  # of uniform in -2**15 ... 2**15 - 1: 0 or 1
    scale = torch.tensor(1 / (1 - p), dtype=x.dtype)
    in_place = x.dtype.itemsize == 2  # the bits of 0 are all 0
    mask = (
        kept.mul_(scale.view(torch.int16)).view(x.dtype)
        if in_place
        else kept.to(x.dtype).mul_(scale)
    )
    return mask.as_strided(x.shape, x.stride())


class Layout(torch.autograd.Function):
    """A map (N, C, H, W) in the layout `to`; its gradient comes back in the layout `back`. Where two layouts meet, torch goes number by number."""

    @staticmethod
    def forward(
        ctx, x: torch.Tensor, to: torch.memory_format, back: torch.memory_format
    ) -> torch.Tensor:
        ctx.back = back
        return x.contiguous(memory_format=to)

    @staticmethod
    def backward(ctx, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient.contiguous(memory_format=ctx.back), None, None


def is_ragged(module: nn.Module) -> bool:
    return type(module) is nn.BatchNorm2d and module.num_features % VECTOR != 0


def make_channels_first(
    module: nn.Module, inputs: tuple[torch.Tensor, ...]
) -> tuple[torch.Tensor, ...]:
    """A forward pre-hook; what is no map is left alone."""
    return tuple(
        Layout.apply(x, torch.contiguous_format, torch.channels_last)
        if x.dim() == 4 and not x.is_contiguous()
        else x
        for x in inputs
    )


def make_channels_last(
    module: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor
) -> torch.Tensor:
    """A forward hook."""
    return (
        output
        if output.is_contiguous(memory_format=torch.channels_last)
        else Layout.apply(output, torch.channels_last, torch.contiguous_format)
    )


def accelerate(network: nn.Module, device: torch.device) -> nn.Module:
    """`network` itself, its slow layers computed otherwise where `device` is a CPU; parameters, buffers and their names stay."""
    if device.type != "cpu":
        return network
    for module in network.modules():
        pairs = itertools.pairwise(module) if isinstance(module, nn.Sequential) else ()
        for first, second in pairs:
            if isinstance(first, nn.Conv2d) and first.in_channels == 1 and is_ragged(second):
                first.weight.data = first.weight.data.clone(
                    memory_format=torch.contiguous_format
                )  # it then gives its maps channels first
    for name, module in list(network.named_modules()):
        if type(module) is nn.Dropout:
            parent = network.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], FastDropout(module.p))
        elif is_ragged(module):
            module.register_forward_pre_hook(make_channels_first)
            module.register_forward_hook(make_channels_last)
        elif type(module) is nn.Flatten:
            module.register_forward_pre_hook(make_channels_first)
    return network
