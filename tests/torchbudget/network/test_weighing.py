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
