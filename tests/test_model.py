"""The networks: sizes as their docstrings say, shapes, and that every parameter learns."""

import re

import pytest
import torch
import torch.nn.functional as F

import model
from model import EraA6, Net3, Slim

SIZES = {Slim: 19_414, Net3: 17_900, EraA6: 18_972}
NETWORKS = [value for value in vars(model).values() if isinstance(value, type) and issubclass(value, torch.nn.Module) and value is not model.ConvNormReLU]


def test_every_network_has_its_size_here():
    assert set(SIZES) == set(NETWORKS)


@pytest.mark.parametrize("network", NETWORKS)
def test_a_network_has_the_parameters_that_its_docstring_says(network):
    counted = sum(parameter.numel() for parameter in network().parameters())
    assert counted == SIZES[network]
    assert f"{counted:,}" in network.__doc__


def test_era_a6_has_the_nearest_reading_of_its_channel_list():
    kernels = [parameter for parameter in EraA6().parameters() if parameter.ndim == 4]
    assert [kernel.shape[1] for kernel in kernels] + [kernels[-1].shape[0]] == [1, 12, 16, 20, 24, 24, 20, 10]
    assert sum(kernel.numel() for kernel in kernels) == 18_740
    assert re.search(r"published 18,752 cannot be rebuilt", EraA6.__doc__)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("count", [1, 2, 7])
def test_logits_are_ten_for_each_image(network, count):
    assert network().eval()(torch.zeros(count, 1, 28, 28)).shape == (count, 10)


@pytest.mark.parametrize("network", NETWORKS)
def test_every_parameter_gets_a_gradient(network):
    torch.manual_seed(0)
    net = network()
    F.cross_entropy(net(torch.randn(16, 1, 28, 28)), torch.arange(16) % 10).backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None or not parameter.grad.any()] == []


@pytest.mark.parametrize("network", NETWORKS)
def test_an_image_is_judged_alike_alone_and_in_a_batch(network):
    torch.manual_seed(0)
    net = network().eval()
    images = torch.randn(5, 1, 28, 28)
    together, alone = net(images), torch.cat([net(image[None]) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
