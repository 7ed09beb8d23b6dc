"""Norms folded into convolutions compute what they computed apart."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.network.capture import capture
from torchbudget.network.captured import CapturedModule, Network
from torchbudget.network.folding import NORM

IMAGE = ImageSpec(shape=(3, 12, 10), num_classes=7)


class Twice(nn.Module):
    """One convolution whose maps go into a norm and past it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return self.norm(x) + x


class Shared(nn.Module):
    """One convolution that runs twice, with a norm of its own each time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(3), nn.BatchNorm2d(3)])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for norm in self.norms:
            x = F.relu(norm(self.conv(x)), inplace=True)
        return x


class Sideways(nn.Module):
    """A convolution of one image of 3 channels for each row: its second side is no channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm1d(12)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n, c, h, w = x.shape
        wide = x.permute(1, 2, 0, 3).reshape(c, h, n * w)
        x = self.norm(self.conv(wide))  # (6, H, N * W), and H is what the norm takes for channels
        return x.reshape(6, h, n, w).permute(2, 0, 1, 3)


class Standardised(nn.Conv2d):
    """A convolution whose weights are computed anew each time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight - self.weight.mean(), self.bias)


class Huge(nn.Sequential):
    """A gain by which the weights would not be finite, where the images keep the maps small."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6))
        self[0].weight.data.fill_(1e36)
        self[1].weight.data.fill_(1e4)


FOLDED = {
    "a norm": lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.ReLU()),
    "no bias, no gain": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6, affine=False)
    ),
    "groups, strides and padding": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, stride=2, padding=2, dilation=2, groups=3), nn.BatchNorm2d(6, eps=0.1)
    ),
    "padding by name": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3, padding="same"), nn.BatchNorm2d(6), nn.ReLU(inplace=True)
    ),
}
KEPT = {
    "maps that go elsewhere too": Twice,
    "one image for each row": Sideways,
    "weights that are computed": lambda: nn.Sequential(Standardised(3, 6, 3), nn.BatchNorm2d(6)),
    "statistics of the batch": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6, track_running_stats=False)
    ),
    "double precision": lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6)).double(),
    "weights past float32": Huge,
}


class Classifier(nn.Module):
    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if next(self.parameters()).dtype == torch.float64:
            x = x.double()
        x = self.features(x).float().flatten(1)
        return x[:, :70].reshape(-1, 7, 10).sum(2)


def captured(features: Callable[[], nn.Module]) -> Network:
    """The network with statistics and gains that are not those of a new norm."""

    def make() -> nn.Module:
        torch.manual_seed(0)
        network = Classifier(features())
        for module in network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                if module.running_mean is not None and module.running_var is not None:
                    module.running_mean.normal_()
                    module.running_var.uniform_(0.1, 3.0)
                if module.affine and not isinstance(network.features, Huge):
                    nn.init.normal_(module.weight)
                    nn.init.normal_(module.bias)
        return network

    return capture(make, IMAGE)


def norms(network: CapturedModule) -> int:
    return sum(step.operation == NORM for step in network._program.steps)


def differ_by_rounding(network: Network, images: torch.Tensor) -> bool:
    apart = network.evaluating.run(images, network.state, network.constants)
    return torch.allclose(CapturedModule(network)(images), apart, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("features", FOLDED.values(), ids=FOLDED)
def test_a_norm_after_a_convolution_is_folded(features):
    network = captured(features)
    module = CapturedModule(network)
    assert norms(module) == 0
    assert module._layout is torch.channels_last
    assert differ_by_rounding(network, torch.randn(5, *IMAGE.shape))


def test_a_convolution_that_runs_twice_has_weights_for_each_norm():
    network = captured(Shared)
    assert norms(CapturedModule(network)) == 0
    assert differ_by_rounding(network, torch.randn(5, *IMAGE.shape))


@pytest.mark.parametrize("features", KEPT.values(), ids=KEPT)
def test_what_is_no_fold_stays(features):
    network = captured(features)
    assert norms(CapturedModule(network)) == 1
    scale = 1e-38 if features is Huge else 1.0
    assert differ_by_rounding(network, scale * torch.randn(5, *IMAGE.shape))


def test_the_captured_network_stays_as_it_was():
    network = captured(FOLDED["a norm"])
    state = {name: tensor.clone() for name, tensor in network.state.items()}
    steps = network.evaluating.steps
    CapturedModule(network)(torch.randn(5, *IMAGE.shape))
    assert network.evaluating.steps == steps
    assert network.state.keys() == state.keys()
    assert all(torch.equal(network.state[name], state[name]) for name in state)
