"""Numbers and structure whatever their form: violations are written here, not listed."""

import math

import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import Net
from torch import nn

from torchbudget.data.mnist import IMAGE
from torchbudget.network.information import count_information
from torchbudget.network.requirements import bare_weighings
from torchbudget.network.trace import trace
from torchbudget.network.weighing import Structure

DTYPES = {
    torch.float16: 1.0,
    torch.bfloat16: 1.0,
    torch.float32: 1.0,
    torch.float64: 2.0,
    torch.complex64: 2.0,
    torch.complex128: 4.0,
    torch.int64: 2.0,
    torch.int32: 1.0,
    torch.uint8: 0.25,
    torch.bool: 1 / 32,
}
QUICK = settings(
    max_examples=8, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


def information_of(network):
    return count_information(trace(network, IMAGE, True), trace(network, IMAGE, False))


class Holding(Net):
    """`Net` whose logits get a table of numbers added."""

    def __init__(self, table, place):
        super().__init__()
        self.listed = [table]
        self.place = place
        if place == "buffer":
            self.register_buffer("table", table)
        if place == "parameter":
            self.table = nn.Parameter(table, requires_grad=table.is_floating_point())

    def forward(self, x):
        table = self.listed[0] if self.place == "list" else self.table
        table = table.real if table.is_complex() else table
        return super().forward(x) + table.float().mean()


@QUICK
@given(
    dtype=st.sampled_from(list(DTYPES)),
    shape=st.lists(st.integers(1, 9), min_size=1, max_size=3),
    place=st.sampled_from(["buffer", "list", "parameter"]),
)
def test_a_table_counts_by_its_bits_wherever_it_is(dtype, shape, place):
    network = Holding(torch.ones(shape).to(dtype), place)
    expected = math.ceil(math.prod(shape) * DTYPES[dtype])
    assert information_of(network).total == information_of(Net()).total + expected


def by_unfold(x, weight, side):
    return (weight.flatten(1) @ F.unfold(x, weight.shape[2])).unflatten(2, (side, side))


def by_linear(x, weight, side):
    windows = F.unfold(x, weight.shape[2]).transpose(1, 2)
    return F.linear(windows, weight.flatten(1)).transpose(1, 2).unflatten(2, (side, side))


def by_einsum(x, weight, side):
    windows = x.unfold(2, weight.shape[2], 1).unfold(3, weight.shape[2], 1)
    return torch.einsum("nchwij,ocij->nohw", windows, weight)


def by_products(x, weight, side):
    windows = x.unfold(2, weight.shape[2], 1).unfold(3, weight.shape[2], 1).unsqueeze(1)
    return (windows * weight[:, :, None, None]).sum((2, 5, 6))


def by_distance(x, weight, side):
    windows = F.unfold(x, weight.shape[2]).transpose(1, 2)
    return torch.cdist(windows, weight.flatten(1)).transpose(1, 2).unflatten(2, (side, side))


def by_name(x, weight, side):
    return F.conv2d(x, weight)


class Disguised(nn.Module):
    """A convolution in some form, then perhaps a norm, then what a network ends with."""

    def __init__(self, form, channels, kernel, normed):
        super().__init__()
        self.form = form
        self.side = 14 - kernel + 1
        self.weight = nn.Parameter(torch.randn(channels, 1, kernel, kernel))
        self.norm = nn.BatchNorm2d(channels) if normed else nn.Identity()
        self.dense = nn.Linear(channels, 10)

    def forward(self, x):
        x = self.form(F.max_pool2d(x, 2), self.weight, self.side)
        return self.dense(self.norm(x).relu().mean((2, 3)))


@QUICK
@given(
    form=st.sampled_from([by_unfold, by_linear, by_einsum, by_products, by_distance, by_name]),
    channels=st.integers(2, 5),
    kernel=st.integers(2, 4),
    normed=st.booleans(),
)
def test_a_convolution_in_any_form_needs_a_norm(form, channels, kernel, normed):
    network = Disguised(form, channels, kernel, normed)
    bare = bare_weighings(Structure(trace(network, IMAGE, training=True)))
    assert bool(bare) != normed


class Bare(Net):
    def features(self, x):
        return self.drop(self.conv2(self.norm1(self.conv1(x)).relu()))


def test_what_is_not_normalised_is_named_with_its_module_shape_and_line():
    (bare,) = bare_weighings(Structure(trace(Bare(), IMAGE, training=True)))
    assert bare.operation.startswith("the conv2d of conv2 to (6, 24, 24) (test_weighing.py:")


ROTATION = torch.linalg.qr(torch.randn(49, 49, generator=torch.Generator().manual_seed(1)))[0]


def mean_added(tokens, share):
    return tokens + share * tokens.mean(1, keepdim=True)


def scaled_by_the_mean(tokens, share):
    return tokens * (1 + share * tokens.mean(1, keepdim=True))


def scaled_by_a_norm(tokens, share):
    return F.layer_norm(tokens, tokens.shape[1:], eps=share)


def attended(tokens, share):
    return tokens + share * F.scaled_dot_product_attention(tokens, tokens, tokens)


def rotated(tokens, share):
    return ROTATION @ tokens


def summed(tokens, share):
    return tokens.cumsum(1)


MIXED = {
    "mixing": st.sampled_from(
        [mean_added, scaled_by_the_mean, scaled_by_a_norm, attended, rotated, summed]
    ),
    "share": st.floats(-7, 0).map(lambda power: 10**power),
    "channels": st.integers(2, 9),
}


class Mixed(nn.Module):
    """Tokens (N, 49, C) of a normed map, which see each other before `end` reads them."""

    def __init__(self, mixing, share, channels, end):
        super().__init__()
        self.mixing, self.share = mixing, share
        self.conv = nn.Conv2d(1, channels, 4, stride=4)
        self.norm = nn.BatchNorm2d(channels)
        self.end = end

    def forward(self, x):
        tokens = self.norm(self.conv(x)).flatten(2).transpose(1, 2)
        return self.end(self.mixing(tokens, self.share))


class Averaged(nn.Module):
    """A layer of tokens (N, T, C), then perhaps a norm, the average and the classes."""

    def __init__(self, channels, normed):
        super().__init__()
        self.layer = nn.Linear(channels, 12)
        self.norm = nn.BatchNorm1d(12) if normed else nn.Identity()
        self.dense = nn.Linear(12, 10)

    def forward(self, x):
        return self.dense(self.norm(self.layer(x).transpose(1, 2)).relu().mean(2))


@QUICK
@given(**MIXED, normed=st.booleans())
def test_a_layer_of_tokens_needs_a_norm_however_they_were_mixed_before(
    mixing, share, channels, normed
):
    network = Mixed(mixing, share, channels, Averaged(channels, normed))
    bare = bare_weighings(Structure(trace(network, IMAGE, training=True)))
    assert bool(bare) != normed


@QUICK
@given(**MIXED, dense=st.booleans())
def test_a_dense_layer_on_a_map_is_one_however_its_pixels_were_mixed_before(
    mixing, share, channels, dense
):
    flat = nn.Sequential(nn.Flatten(), nn.Linear(49 * channels, 10))
    network = Mixed(mixing, share, channels, flat if dense else Averaged(channels, False))
    structure = Structure(trace(network, IMAGE, training=False))
    assert any(map(structure.is_dense_on_map, structure.weighings)) == dense
