"""A weights file holds an entry's tensors and nothing else; two that are all but equal are one."""

import struct

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save

from torchbudget.evidence.weights import to_safetensors
from torchbudget.evidence.weights_file import LearnedTensors, find_odd_content

PADDING = 8


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.Linear(8, 10)
    )


def pad(content: bytes) -> bytes:
    (length,) = struct.unpack("<Q", content[:8])
    end = 8 + length
    return struct.pack("<Q", length + PADDING) + content[8:end] + b" " * PADDING + content[end:]


@pytest.mark.parametrize("stored", ["float32", "float16"])
def test_a_file_as_it_is_written_is_not_odd(network, stored):
    content = to_safetensors(network, stored)
    assert find_odd_content(content, network.state_dict(), stored) == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda state: save(state, {"note": "x"}), "more than its tensors"),
        (lambda state: pad(save(state)), "more than its tensors"),
        (lambda state: save(state | {"table": torch.zeros(3)}), "has table"),
        (lambda state: save({name: state[name] for name in list(state)[1:]}), "lacks 0.weight"),
        (lambda state: save(state | {"2.bias": state["2.bias"].double()}), "torch.float64"),
        (lambda state: save(state | {"2.bias": state["2.bias"].half()}), "torch.float16"),
        (lambda state: save(state | {"2.bias": torch.zeros(11)}), r"(11,)"),
        (lambda state: save(state | {"2.bias": torch.full((10,), torch.inf)}), "not finite"),
        (lambda state: b"rubbish", "cannot be read"),
    ],
)
def test_all_else_is_named(network, change, reason):
    content = change(dict(network.state_dict()))
    assert reason in find_odd_content(content, network.state_dict(), "float32")


def read(path, network, change=lambda name, value: value, rename=lambda name: name):
    state = network.state_dict()
    path.write_bytes(save({rename(name): change(name, value) for name, value in state.items()}))
    return LearnedTensors(path)


@given(st.floats(0, 0.05), st.sampled_from([torch.float16, torch.float32, torch.float64]))
def test_noise_precision_and_names_do_not_make_another_run(tmp_path_factory, scale, dtype):
    folder = tmp_path_factory.mktemp("twins")
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 8, 3), torch.nn.Linear(8, 10))
    first = read(folder / "first", network)
    second = read(
        folder / "second",
        network,
        lambda name, value: (value + scale * value * torch.rand_like(value)).to(dtype),
        lambda name: f"other.{name}",
    )
    assert first.is_nearly(second) and second.is_nearly(first)


def test_an_order_of_channels_does_not_make_another_run(tmp_path, network):
    turned = read(tmp_path / "turned", network, lambda name, value: value.flip(0).contiguous())
    assert turned.is_nearly(read(tmp_path / "plain", network))


def test_another_seed_is_another_run(tmp_path, network):
    torch.manual_seed(1)
    for module in network:
        module.reset_parameters()
    other = read(tmp_path / "other", network)
    torch.manual_seed(2)
    for module in network:
        module.reset_parameters()
    assert not other.is_nearly(read(tmp_path / "first", network))


def test_a_trained_head_on_a_fixed_body_is_a_run_of_its_own(tmp_path, network):
    first = read(tmp_path / "first", network)
    torch.manual_seed(3)
    network[2].reset_parameters()
    assert not first.is_nearly(read(tmp_path / "second", network))
