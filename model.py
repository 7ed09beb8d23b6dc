"""The networks of this zoo: (N, 1, 28, 28) normalised images -> (N, 10) logits.

A test counts the parameters that each docstring states.
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


class Slim(nn.Module):
    """Our flagship under 20,000 parameters: 19,414.

    Only one convolution works on 28x28 pixels, where a channel costs most time and fewest
    parameters; the depth is where the map is small. Dropout acts on the pooled features, 24 numbers
    an image, where it is nearly free.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNormReLU(1, 16, kernel=5, padding=2, pool=True)
        self.middle = nn.Sequential(
            ConvNormReLU(16, 16, padding=1),
            ConvNormReLU(16, 16, padding=1),
            ConvNormReLU(16, 16, padding=1),
            ConvNormReLU(16, 20, padding=1, pool=True),
        )
        self.top = nn.Sequential(ConvNormReLU(20, 22, padding=1), ConvNormReLU(22, 24))
        self.dropout = nn.Dropout(0.1)
        self.classify = nn.Linear(24, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.middle(self.stem(x))  # (N, 16, 14, 14) -> (N, 20, 7, 7)
        x = self.top(x).mean((2, 3))  # (N, 24, 5, 5) -> (N, 24)
        return self.classify(self.dropout(x))


class Sprint(nn.Sequential):
    """Made to reach 99.4 % soonest: three convolutions, 19,514 parameters.

    The stride of the stem leaves 28x28, and the empty border, at once. The time of a layer depends
    more on the size of its output than on its multiply-adds, and 32 channels take no longer than
    24: they fill a vector.
    """

    def __init__(self) -> None:
        super().__init__(
            ConvNormReLU(1, 16, kernel=5, stride=2),  # (N, 16, 12, 12)
            ConvNormReLU(16, 32, padding=1, pool=True),  # (N, 32, 6, 6)
            ConvNormReLU(32, 32),  # (N, 32, 4, 4)
            nn.Flatten(),
            nn.Linear(32 * 4 * 4, 10),
        )


class ShiftNorm(nn.BatchNorm2d):
    """BatchNorm that learns a shift and no scale: (N, C, H, W) -> the same.

    Before a ReLU, leaky or not, and a convolution that is normalised itself, a scale changes
    nothing that the shift cannot.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.weight = None


class Separable(nn.Sequential):
    """A depthwise 3x3 and a pointwise convolution: (N, in, H, W) -> (N, out, H - 2d, W - 2d).

    `d` is the dilation less the padding. Both are normalised, and nothing bends between them.
    """

    def __init__(
        self, in_channels: int, out_channels: int, dilation: int = 1, padding: int = 0
    ) -> None:
        apart = {"dilation": dilation, "padding": padding, "groups": in_channels, "bias": False}
        super().__init__(
            nn.Conv2d(in_channels, in_channels, 3, **apart),
            nn.BatchNorm2d(in_channels, affine=False),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
            ShiftNorm(out_channels),
            nn.LeakyReLU(0.1, inplace=True),
        )


class Narrow(nn.Module):
    """Separable convolutions of few channels.

    One convolution sees 28x28 pixels. Four separable ones follow (Chollet 2017) without padding,
    which shrink the map from 14x14 to 4x4; the third is dilated, so that all of a digit is in sight
    of the last. `widths` are the channels that each of the five gives. With `full` channels,
    another convolution sees the pixels first, and the one before the pooling is a separable one.
    The last `shared` layers have the same filters, each with norms of its own.
    """

    def __init__(
        self,
        widths: tuple[int, ...] = (8, 8, 10, 12, 11),
        dilations: tuple[int, ...] = (1, 1, 2, 1),
        dropout: float = 0.0,
        full: int = 0,
        shared: int = 1,
    ) -> None:
        super().__init__()
        stem: list[nn.Module] = [nn.Conv2d(1, full or widths[0], 3, padding=1, bias=False)]
        if full:
            stem += [ShiftNorm(full), nn.LeakyReLU(0.1, inplace=True)]
            stem += [*Separable(full, widths[0], padding=1)][:3]  # its norm follows the pooling
        stem += [nn.MaxPool2d(2), ShiftNorm(widths[0]), nn.LeakyReLU(0.1, inplace=True)]
        self.stem = nn.Sequential(*stem)
        layers = zip(widths[:-1], widths[1:], dilations, strict=True)
        self.layers = nn.Sequential(*(Separable(*layer) for layer in layers))
        for layer in self.layers[-shared:]:
            layer[0].weight = self.layers[-1][0].weight
            layer[2].weight = self.layers[-1][2].weight
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.classify = nn.Linear(widths[-1], 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(self.stem(x)).mean((2, 3))  # (N, C, 14, 14) -> (N, C, 4, 4) -> (N, C)
        return self.classify(self.dropout(x))


class Net3(nn.Module):
    """Reference 003's network, 17,900 parameters, all used.

    As published, `__init__` also builds layers of 5,086 more parameters that `forward` never calls;
    they are left out here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.block1 = nn.Sequential(ConvNormReLU(1, 8, padding=1), ConvNormReLU(8, 16, padding=1))
        self.dropout = nn.Dropout(0.05)
        self.block2 = nn.Sequential(
            ConvNormReLU(16, 16, padding=1),
            ConvNormReLU(16, 32, padding=1),
        )
        self.block3 = nn.Sequential(ConvNormReLU(32, 32), ConvNormReLU(32, 10, kernel=1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(self.dropout(self.block1(x)), 2)  # (N, 16, 14, 14)
        x = F.max_pool2d(self.block2(x), 2)  # (N, 32, 7, 7)
        return F.adaptive_avg_pool2d(self.block3(x), 1).flatten(1)  # (N, 10, 5, 5) -> (N, 10)


class EraA6(nn.Module):
    """Reference 004's network, by its channel list; 18,972 parameters.

    The list is 1-12-16, 16-20, 20-24, 24-24, 24-20-10, with BatchNorm, dropout and global average
    pooling. The published 18,752 cannot be rebuilt from it with 1x1 and 3x3 kernels. This is the
    nearest honest reading: a 1x1 kernel to the ten logits and 3x3 elsewhere, with BatchNorm after
    each convolution but that last one, as the text says. The convolutions, here without bias, hold
    18,740 parameters, the norms the rest.
    """

    def __init__(self) -> None:
        super().__init__()
        self.input = nn.Sequential(
            ConvNormReLU(1, 12, padding=1),
            ConvNormReLU(12, 16, padding=1),
            nn.Dropout(0.05),
        )
        self.first = ConvNormReLU(16, 20, padding=1)
        self.transition = nn.Sequential(ConvNormReLU(20, 24, padding=1), nn.Dropout(0.1))
        self.second = ConvNormReLU(24, 24, padding=1)
        self.output = nn.Sequential(ConvNormReLU(24, 20), nn.Conv2d(20, 10, 1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(self.first(self.input(x)), 2)  # (N, 20, 14, 14)
        x = F.max_pool2d(self.second(self.transition(x)), 2)  # (N, 24, 7, 7)
        return F.adaptive_avg_pool2d(self.output(x), 1).flatten(1)  # (N, 10, 5, 5) -> (N, 10)


# --- reference 002 ------------------------------------------------------------------------------


class LeNet(nn.Module):
    """Reference 002's models 1 and 2, after LeCun et al. 1998; 44,426 parameters.

    Two 5x5 convolutions, then three linear layers.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.classify = nn.Sequential(
            nn.Linear(256, 120),
            nn.ReLU(inplace=True),
            nn.Linear(120, 84),
            nn.ReLU(inplace=True),
            nn.Linear(84, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classify(self.features(x).flatten(1))  # (N, 16, 4, 4) -> (N, 256) -> (N, 10)


class VggDigits(nn.Module):
    """Reference 002's models 3 and 4, after Simonyan & Zisserman 2015; 871,530 parameters.

    Four 3x3 convolutions in two blocks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.block1 = self._make_block(1, 32)
        self.block2 = self._make_block(32, 64)
        self.classify = nn.Sequential(
            nn.Linear(64 * 7 * 7, 256),
            nn.BatchNorm1d(256),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(256, 10),
        )

    @staticmethod
    def _make_block(in_channels: int, out_channels: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Dropout2d(0.25),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.block2(self.block1(x))  # (N, 32, 14, 14) -> (N, 64, 7, 7)
        return self.classify(x.flatten(1))


class BigKernel(nn.Module):
    """Reference 002's network of two 5x5 convolutions; 857,930 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 5, padding=2),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(2),
        )
        self.classify = nn.Sequential(
            nn.Linear(64 * 7 * 7, 256),
            nn.ReLU(inplace=True),
            nn.Dropout(0.5),
            nn.Linear(256, 10),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classify(self.features(x).flatten(1))  # (N, 64, 7, 7) -> (N, 10)


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


class ResNet5(nn.Module):
    """Reference 002's residual network; 202,314 parameters.

    A convolution, two residual blocks, and a linear layer on the flattened map.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(ResidualBlock(32, 32), ResidualBlock(32, 64, stride=2))
        self.classify = nn.Linear(64 * 14 * 14, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classify(self.blocks(self.stem(x)).flatten(1))  # (N, 64, 14, 14) -> (N, 10)


class SpatialTransformer(nn.Module):
    """Reference 002's spatial transformer (Jaderberg et al. 2015); 436,762 parameters.

    One small network straightens the image, another classifies it. The transform starts at the
    identity. It is computed in fp32: half precision would misplace a pixel by up to a twentieth of
    its width.
    """

    def __init__(self) -> None:
        super().__init__()
        self.localise = nn.Sequential(
            nn.Conv2d(1, 8, 7),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(8, 10, 5),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Flatten(),
            nn.Linear(10 * 3 * 3, 32),
            nn.ReLU(inplace=True),
            nn.Linear(32, 6),
        )
        nn.init.zeros_(self.localise[-1].weight)
        self.localise[-1].bias.data.copy_(torch.eye(2, 3).flatten())
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 64, 3),
            nn.MaxPool2d(2),
            nn.ReLU(inplace=True),
        )
        self.classify = nn.Sequential(
            nn.Linear(64 * 5 * 5, 256),
            nn.ReLU(inplace=True),
            nn.Linear(256, 10),
        )

    def straighten(self, x: torch.Tensor) -> torch.Tensor:
        """The images (N, 1, H, W) after the affine transform that each of them calls for."""
        theta = self.localise(x).float().view(-1, 2, 3)
        grid = F.affine_grid(theta, list(x.shape), align_corners=True)
        return F.grid_sample(x, grid, align_corners=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.features(self.straighten(x))  # (N, 64, 5, 5)
        return self.classify(x.flatten(1))


# --- reference 000 ------------------------------------------------------------------------------


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


class WideResNet(nn.Module):
    """Reference 000's WideSmallResNet, as far as its author tells; 659,434 parameters.

    Four wide residual blocks with GhostBatchNorm. The width is where the map is small: the stem
    leaves 28x28 at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 32, 5, padding=2, bias=False),
            nn.MaxPool2d(2),
            GhostBatchNorm(32),
            nn.ReLU(inplace=True),
        )
        self.blocks = nn.Sequential(
            ResidualBlock(32, 64, norm=GhostBatchNorm, bias=False),
            ResidualBlock(64, 64, norm=GhostBatchNorm, bias=False),
            ResidualBlock(64, 128, stride=2, norm=GhostBatchNorm, bias=False),
            ResidualBlock(128, 128, norm=GhostBatchNorm, bias=False),
        )
        self.classify = nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.blocks(self.stem(x))  # (N, 128, 7, 7)
        return self.classify(x.mean((2, 3)))
