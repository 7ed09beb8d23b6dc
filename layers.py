"""Layers of this zoo's networks: what more than one of them is made of, or another paper defines.

They take and give float maps (N, C, H, W).
"""

import torch
import torch.nn.functional as F
from torch import nn


class ConvNormReLU(nn.Sequential):
    """Convolution without bias, BatchNorm, ReLU: (N, in, H, W) -> (N, out, H', W').

    `pool=True` takes the maximum of each 2x2 before the norm: the norm and the ReLU then work on a
    quarter of the map, in a quarter of the time.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        padding: int = 0,
        pool: bool = False,
        stride: int = 1,
    ) -> None:
        layers: list[nn.Module] = [
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False)
        ]
        if pool:
            layers.append(nn.MaxPool2d(2))
        layers.append(nn.BatchNorm2d(out_channels))
        layers.append(nn.ReLU(inplace=True))
        super().__init__(*layers)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut (He et al. 2016).

    (N, in, H, W) -> (N, out, H / stride, W / stride)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        norm: type[nn.BatchNorm2d] = nn.BatchNorm2d,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=bias),
            norm(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=bias),
            norm(out_channels),
        )
        self.shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=bias),
                norm(out_channels),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.residual(x) + self.shortcut(x))


class GhostBatchNorm(nn.BatchNorm2d):
    """BatchNorm over groups of about `ghost` images of the batch (Hoffer et al. 2017).

    In train mode each group has its own statistics. The groups differ by at most one image, and
    none is smaller than `ghost`. All groups of a batch together move the running statistics as far
    as BatchNorm would. In eval mode, and where the batch is one group, it is BatchNorm.
    """

    def __init__(self, channels: int, ghost: int = 32) -> None:
        super().__init__(channels)
        self.ghost = ghost

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        groups = max(1, len(x) // self.ghost) if self.training else 1
        if groups == 1:
            return super().forward(x)
        # the cut of x.tensor_split(groups), whose backward takes twice as long
        size, rest = divmod(len(x), groups)
        sizes = [size + 1 if group < rest else size for group in range(groups)]
        momentum = self.momentum
        try:
            if momentum is not None:  # None is a cumulative average, of groups as of batches
                self.momentum = 1 - (1 - momentum) ** (1 / groups)
            normalise = super().forward
            return torch.cat([normalise(group) for group in x.split(sizes)])
        finally:
            self.momentum = momentum
