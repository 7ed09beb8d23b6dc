"""The same layers, computed faster on a CPU while a network trains. The distribution of what they give is the same, its random numbers are not."""

import torch
from torch import nn

LARGE = 1 << 17
"""Numbers from which a mask is worth drawing otherwise: below it, draws are as torch's."""
NARROW = 16
"""Channels below which torch's BatchNorm is slow on channels-last maps: they do not fill a vector."""


class FastDropout(nn.Dropout):
    """`nn.Dropout` whose mask for a large map takes 16 random bits a number, four numbers a draw; torch draws them one by one, on one core."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or not 0 < self.p < 1 or x.numel() < LARGE or x.device.type != "cpu":
            return super().forward(x)
        return x * draw_mask(x, self.p)


def draw_mask(x: torch.Tensor, p: float) -> torch.Tensor:
    """Of the shape, layout and dtype of a dense `x`: 0 with probability `p` to within 2**-17, else 1 / (1 - p)."""
    draws = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
    numbers = draws.view(torch.int16).as_strided(x.shape, x.stride())  # uniform in -2**15 ... 2**15 - 1
    return (numbers >= round(p * 2**16) - 2**15).to(x.dtype).mul_(1 / (1 - p))


def make_contiguous(module: nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    """A forward pre-hook: channels first."""
    return tuple(each.contiguous() for each in inputs)


def accelerate(network: nn.Module, device: torch.device) -> nn.Module:
    """`network` itself, its slow layers computed otherwise where `device` is a CPU; parameters, buffers and their names stay."""
    if device.type != "cpu":
        return network
    for name, module in list(network.named_modules()):
        if type(module) is nn.Dropout:
            parent = network.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], FastDropout(module.p))
        elif type(module) is nn.BatchNorm2d and module.num_features < NARROW:
            module.register_forward_pre_hook(make_contiguous)
    return network
