"""The faster layers compute what torch's compute."""

import copy

import pytest
import torch
from torch import nn

from model import EraA6, Net3, Slim, Sprint, VggDigits
from utils.kernels import MIN_FAST_NUMEL, FastDropout, accelerate, draw_mask

CPU = torch.device("cpu")


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_mask_drops_its_share_and_scales_the_rest(p, dtype):
    torch.manual_seed(0)
    mask = draw_mask(torch.empty(50, 3, 31, 31, dtype=dtype), p)
    dropped = int((mask == 0).sum())
    deviation = (mask.numel() * p * (1 - p)) ** 0.5
    assert abs(dropped - mask.numel() * p) < 4 * deviation
    assert mask.dtype == dtype and mask.unique().tolist() == [
        0,
        torch.tensor(1 / (1 - p), dtype=dtype).item(),
    ]


def test_what_a_mask_drops_is_no_pattern():
    """Neighbouring numbers come from one draw of 64 bits: each falls by itself."""
    torch.manual_seed(0)
    kept = draw_mask(torch.empty(400_000), 0.5).bool().view(-1, 4).float()
    assert (torch.corrcoef(kept.T) - torch.eye(4)).abs().max() < 0.02


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_mask_lies_as_its_map_lies(layout):
    images = torch.empty(5, 3, 7, 7).contiguous(
        memory_format=layout
    )  # 735 numbers, no multiple of four
    assert draw_mask(images, 0.5).stride() == images.stride()


def test_gradients_pass_where_numbers_passed():
    x = torch.ones(MIN_FAST_NUMEL, requires_grad=True)
    y = FastDropout(0.3).train()(x)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach()) and 0 < int((y == 0).sum()) < MIN_FAST_NUMEL


def test_a_seed_fixes_the_mask():
    draws = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        draws.append(draw_mask(torch.empty(1_000), 0.5))
    assert torch.equal(draws[0], draws[1]) and not torch.equal(draws[0], draws[2])


@pytest.mark.parametrize(
    ("p", "count", "training"),
    [
        (0.5, MIN_FAST_NUMEL - 1, True),
        (0.0, MIN_FAST_NUMEL, True),
        (1.0, MIN_FAST_NUMEL, True),
        (0.5, MIN_FAST_NUMEL, False),
    ],
)
def test_small_maps_the_limits_and_eval_are_torchs(p, count, training):
    found = []
    for kind in (nn.Dropout, FastDropout):
        torch.manual_seed(0)
        found.append(kind(p).train(training)(torch.ones(count)))
    assert torch.equal(*found)


@pytest.mark.parametrize("network", [Net3, EraA6, Slim, VggDigits])
def test_an_accelerated_network_keeps_its_tensors_and_their_names(network):
    made = network().to(memory_format=torch.channels_last)
    before, parameters = copy.deepcopy(made.state_dict()), list(made.parameters())
    after = accelerate(made, CPU)
    assert [(name, tensor.tolist()) for name, tensor in after.state_dict().items()] == [
        (name, tensor.tolist()) for name, tensor in before.items()
    ]
    assert all(one is other for one, other in zip(after.parameters(), parameters, strict=True))


@pytest.mark.parametrize("network", [Net3, EraA6, Sprint])
def test_an_accelerated_network_learns_the_same_but_for_what_is_dropped(network):
    torch.manual_seed(0)
    plain = network().double().to(memory_format=torch.channels_last).train()
    fast = accelerate(copy.deepcopy(plain), CPU)
    for made in (plain, fast):
        for module in made.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0.0
    images = torch.randn(32, 1, 28, 28, dtype=torch.float64).contiguous(
        memory_format=torch.channels_last
    )
    for made in (plain, fast):
        made(images).logsumexp(1).sum().backward()
    for (name, one), (_, other) in zip(
        plain.named_parameters(), fast.named_parameters(), strict=True
    ):
        torch.testing.assert_close(one.grad, other.grad, msg=name)
    for (name, one), (_, other) in zip(plain.named_buffers(), fast.named_buffers(), strict=True):
        torch.testing.assert_close(one, other, msg=name)


def test_what_is_slow_is_replaced():
    fast = accelerate(Net3(), CPU)
    assert isinstance(fast.dropout, FastDropout)
    assert [name for name, module in fast.named_modules() if module._forward_pre_hooks] == [
        "block1.0.1",
        "block3.1.1",
    ]


def test_a_ragged_norm_works_channels_first_between_maps_channels_last():
    norm = accelerate(nn.Sequential(nn.BatchNorm2d(20)), CPU)
    seen = []
    norm[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].is_contiguous()))
    x = torch.randn(4, 20, 7, 7).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = norm(x)
    y.register_hook(
        lambda gradient: seen.append(gradient.is_contiguous(memory_format=torch.channels_last))
    )
    y.grad_fn.next_functions[0][0].register_prehook(
        lambda gradients: seen.append(gradients[0].is_contiguous())
    )
    assert y.is_contiguous(memory_format=torch.channels_last)
    y.square().sum().backward()
    assert seen == [True, True, True]


def test_a_gradient_comes_back_through_a_flatten_as_the_map_lay():
    x = torch.randn(4, 16, 3, 3).contiguous(memory_format=torch.channels_last).requires_grad_()
    y = x * 1
    y.register_hook(seen := [].append)
    features = accelerate(nn.Sequential(nn.Flatten()), CPU)(y)
    features.square().sum().backward()
    assert torch.equal(features, x.flatten(1)) and torch.equal(x.grad, 2 * x)
    assert seen.__self__[0].is_contiguous(memory_format=torch.channels_last)


def test_what_is_no_map_is_flattened_as_ever():
    x = torch.randn(4, 5, 6, requires_grad=True)
    flatten = accelerate(nn.Sequential(nn.Flatten()), CPU)[0]
    assert torch.equal(flatten(x.transpose(1, 2)), x.transpose(1, 2).flatten(1)) and torch.equal(
        flatten(input=x), x.flatten(1)
    )
    flatten(x.transpose(1, 2)).sum().backward()
    assert torch.equal(x.grad, torch.ones_like(x))


@pytest.mark.parametrize("size", [1, 7])
def test_what_follows_a_ragged_norm_may_change_its_output_in_place(size):
    network = accelerate(nn.Sequential(nn.BatchNorm2d(20), nn.ReLU(inplace=True)), CPU)
    x = torch.randn(4, 20, size, size, requires_grad=True)
    network(x).sum().backward()
    assert x.grad.abs().sum() > 0


def test_a_first_convolution_gives_a_ragged_norm_its_maps_channels_first():
    images = torch.zeros(4, 1, 28, 28).contiguous(memory_format=torch.channels_last)
    plain = Net3().to(memory_format=torch.channels_last)
    assert not plain.block1[0][0](images).is_contiguous()
    assert accelerate(plain, CPU).block1[0][0](images).is_contiguous()
