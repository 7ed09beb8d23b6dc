"""The networks: sizes as their docstrings say, shapes, and that every parameter learns."""

import re

import pytest
import torch
import torch.nn.functional as F

import model
from model import (
    BigKernel,
    ConvNormReLU,
    EraA6,
    GhostBatchNorm,
    LeNet,
    Narrow,
    Net3,
    ResidualBlock,
    ResNet5,
    Separable,
    ShiftNorm,
    Slim,
    SpatialTransformer,
    Sprint,
    VggDigits,
    WideResNet,
)

SIZES = {
    Slim: 19_414,
    Sprint: 19_514,
    Net3: 17_900,
    EraA6: 18_972,
    LeNet: 44_426,
    VggDigits: 871_530,
    BigKernel: 857_930,
    ResNet5: 202_314,
    SpatialTransformer: 436_762,
    WideResNet: 659_434,
}
LAYERS = {ConvNormReLU, ResidualBlock, GhostBatchNorm, Separable, ShiftNorm}
NETWORKS = [
    value
    for value in vars(model).values()
    if isinstance(value, type) and issubclass(value, torch.nn.Module) and value not in LAYERS
]


def count_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_sizes_are_of_networks():
    """A network that somebody adds needs no line here."""
    assert set(SIZES) <= set(NETWORKS)


@pytest.mark.parametrize("network", SIZES)
def test_a_network_has_the_parameters_that_its_docstring_says(network):
    counted = count_parameters(network())
    assert counted == SIZES[network]
    assert f"{counted:,}" in network.__doc__


def test_the_last_layers_share_their_filters_and_keep_norms_of_their_own():
    apart = Narrow(widths=(5, 10, 10, 10, 10))
    network = Narrow(widths=(5, 10, 10, 10, 10), shared=3)
    first, *others = network.layers
    last = others[-1]
    for layer in others:
        assert layer[0].weight is last[0].weight
        assert layer[2].weight is last[2].weight
    assert first[0].weight is not last[0].weight
    assert len({id(layer[3].bias) for layer in others}) == 3
    assert count_parameters(apart) - count_parameters(network) == 2 * (10 * 9 + 10 * 10)


def test_era_a6_has_the_nearest_reading_of_its_channel_list():
    kernels = [parameter for parameter in EraA6().parameters() if parameter.ndim == 4]
    assert [kernel.shape[1] for kernel in kernels] + [kernels[-1].shape[0]] == [
        1,
        12,
        16,
        20,
        24,
        24,
        20,
        10,
    ]
    assert sum(kernel.numel() for kernel in kernels) == 18_740
    assert re.search(r"published 18,752 cannot be rebuilt", EraA6.__doc__)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_logits_are_ten_for_each_image(network, count):
    assert network().eval()(torch.zeros(count, 1, 28, 28)).shape == (count, 10)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_parameter_gets_a_gradient_in_the_second_step(network):
    """Two steps, because a spatial transformer starts at the identity.

    Its first step moves its last layer alone.
    """
    torch.manual_seed(0)
    net = network()
    optimizer = torch.optim.SGD(net.parameters(), 0.01)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(net(torch.randn(16, 1, 28, 28)), torch.arange(16) % 10).backward()
        optimizer.step()
    assert [
        name
        for name, parameter in net.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ] == []


@pytest.mark.parametrize("network", NETWORKS)
def test_an_image_is_judged_alike_alone_and_in_a_batch(network):
    torch.manual_seed(0)
    net = network().eval()
    images = torch.randn(5, 1, 28, 28)
    together, alone = net(images), torch.cat([net(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_a_spatial_transformer_starts_at_the_identity():
    images = torch.rand(5, 1, 28, 28)
    torch.testing.assert_close(
        SpatialTransformer().straighten(images), images, atol=1e-5, rtol=1e-5
    )


def test_a_scale_of_the_channels_before_a_separable_convolution_changes_nothing():
    """That is why `ShiftNorm` learns none."""
    torch.manual_seed(0)
    layer, images = Separable(6, 7, dilation=2), torch.randn(8, 6, 14, 14)
    scales = torch.rand(6, 1, 1) + 0.5
    assert layer(images).shape == (8, 7, 10, 10)
    torch.testing.assert_close(layer(images * scales), layer(images), rtol=1e-3, atol=1e-4)


def test_shift_norm_is_batch_norm_with_a_shift_alone():
    torch.manual_seed(0)
    norm, plain, images = ShiftNorm(6), torch.nn.BatchNorm2d(6), torch.randn(8, 6, 5, 5)
    plain.bias.data.copy_(norm.bias.data.normal_())
    assert [name for name, _ in norm.named_parameters()] == ["bias"]
    torch.testing.assert_close(norm(images), plain(images), rtol=0, atol=0)
    torch.testing.assert_close(norm.eval()(images), plain.eval()(images), rtol=0, atol=0)


class TestGhostBatchNorm:
    """In train each group of the batch has statistics of its own; in eval it is BatchNorm."""

    def both(
        self, count: int, ghost: int, momentum: float | None = 0.1
    ) -> tuple[torch.Tensor, torch.nn.Module, torch.nn.Module]:
        torch.manual_seed(0)
        plain, ghosts = torch.nn.BatchNorm2d(3, momentum=momentum), GhostBatchNorm(3, ghost)
        ghosts.momentum = momentum
        return torch.randn(count, 3, 4, 5) * 2 + 1, plain, ghosts

    @pytest.mark.parametrize("count", [2, 7, 32])
    def test_it_equals_batch_norm_where_the_ghost_is_the_batch(self, count):
        images, plain, ghosts = self.both(count, count)
        torch.testing.assert_close(ghosts(images), plain(images), rtol=0, atol=0)
        assert all(
            torch.equal(one, other)
            for one, other in zip(
                plain.state_dict().values(), ghosts.state_dict().values(), strict=True
            )
        )

    @pytest.mark.parametrize("count", [8, 9, 11, 16, 30])
    def test_each_group_has_mean_0_and_deviation_1_whatever_remains(self, count):
        images, _, ghosts = self.both(count, 4)
        groups = ghosts(images).tensor_split(count // 4)
        for group in groups:
            assert len(group) >= 4
            torch.testing.assert_close(group.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
            torch.testing.assert_close(
                group.var((0, 2, 3), unbiased=False), torch.ones(3), atol=1e-3, rtol=0
            )

    def test_a_batch_moves_the_running_mean_as_far_as_batch_norm_does(self):
        images, plain, ghosts = self.both(16, 4)
        images = images[:4].repeat(4, 1, 1, 1)  # four equal groups
        plain(images), ghosts(images)
        torch.testing.assert_close(ghosts.running_mean, plain.running_mean)
        assert ghosts.momentum == 0.1

    def test_cumulative_statistics_are_those_of_all_images(self):
        images, _, ghosts = self.both(16, 4, momentum=None)
        ghosts(images)
        torch.testing.assert_close(ghosts.running_mean, images.mean((0, 2, 3)))

    @pytest.mark.parametrize("count", [1, 5, 64])
    def test_in_eval_it_is_batch_norm(self, count):
        images, plain, ghosts = self.both(max(count, 8), 4)
        ghosts(images)
        plain.load_state_dict(ghosts.state_dict())
        torch.testing.assert_close(
            ghosts.eval()(images[:count]), plain.eval()(images[:count]), rtol=0, atol=0
        )
