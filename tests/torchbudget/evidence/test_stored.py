"""Weights as int8: rounded once for all, read back as they were measured, in one form only."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from tampering import edit, judge, record_again
from tiny_zoo import ZOO, Tiny

from torchbudget.errors import WeightsError
from torchbudget.evidence.record import adopt_weights
from torchbudget.evidence.stored import (
    count_bytes,
    count_scales,
    find_scales,
    pack_tensors,
    round_tensor,
    unpack_tensors,
)
from torchbudget.evidence.weights import load_weights, round_weights, to_safetensors
from torchbudget.evidence.weights_file import LearnedTensors, find_odd_content

SCALES = 8 + 24 + 10
"""Of `Tiny`'s two convolutions and its dense layer."""


def tiny(seed: int = 0) -> Tiny:
    torch.manual_seed(seed)
    return Tiny()


def filters(seed: int, exponents: list[float]) -> torch.Tensor:
    """(n, 3, 2, 2), each index of the first dimension of another size, one of zeros."""
    generator = torch.Generator().manual_seed(seed)
    sizes = torch.tensor([10.0**exponent for exponent in exponents] + [0.0])
    return torch.randn(len(sizes), 3, 2, 2, generator=generator) * sizes.view(-1, 1, 1, 1)


@given(st.integers(0, 99), st.lists(st.floats(-40, 37), min_size=1, max_size=4))
def test_rounding_what_is_rounded_changes_nothing(seed, exponents):
    once = round_tensor(filters(seed, exponents), "int8")
    again = pack_tensors({"w": once}, "int8")
    assert torch.equal(round_tensor(once, "int8"), once)
    assert torch.equal(unpack_tensors(again)["w"], once)


@given(st.integers(0, 99), st.lists(st.floats(-25, 30), min_size=1, max_size=4))
def test_a_number_moves_by_half_a_step_of_its_channel_at_most(seed, exponents):
    tensor = filters(seed, exponents)
    largest = tensor.double().abs().flatten(1).amax(1)
    step = largest / 127 * (1 + 2**-10)
    moved = (round_tensor(tensor, "int8").double() - tensor.double()).abs().flatten(1).amax(1)
    assert (moved <= step / 2 * (1 + 1e-6)).all()
    assert (find_scales(tensor) >= largest / 127).all()


def test_a_file_holds_whole_numbers_their_scales_and_half_precision(tmp_path):
    network = round_weights(tiny(), "int8")
    content = to_safetensors(network, "int8")
    tensors = load(content)
    assert tensors["conv2.weight"].dtype == torch.int8
    assert tensors["conv2.weight.scale"].shape == (24,)
    assert {tensors[name].dtype for name in ("norm1.running_var", "classify.bias")} == {
        torch.float16
    }
    path = tmp_path / "w.safetensors"
    path.write_bytes(content)
    loaded = load_weights(path, tiny(1))
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert to_safetensors(loaded, "int8") == content
    kept = network.state_dict().values()
    assert count_bytes(kept, "int8") == sum(tensor.nbytes for tensor in tensors.values())
    assert (count_scales(kept, "int8"), count_scales(kept, "float16")) == (SCALES, 0)


def test_a_file_of_whole_numbers_can_be_recorded_again():
    network = round_weights(tiny(), "int8")
    content = to_safetensors(network, "int8")
    adopted = adopt_weights(replace(ZOO[0], stored="int8"), load(content))
    assert to_safetensors(adopted, "int8") == content


def changed(**tensors):
    """The int8 file of a network, some of its tensors exchanged; None takes one out."""
    state = load(to_safetensors(round_weights(tiny(), "int8"), "int8"))
    state |= {name.replace("_", ".", 1): tensor for name, tensor in tensors.items()}
    return save({name: tensor for name, tensor in state.items() if tensor is not None})


ONES = torch.ones(10, 24, dtype=torch.int8)


@pytest.mark.parametrize(
    ("exchange", "reason"),
    [
        ({}, ""),
        ({"classify_weight": ONES}, "in a form of its own"),
        ({"classify_weight": -128 * ONES}, "in a form of its own"),
        ({"classify_weight": 0 * ONES}, "in a form of its own"),
        ({"classify_weight.scale": torch.full((10,), math.pi)}, "in a form of its own"),
        ({"classify_weight.scale": torch.full((10,), -1.0)}, "in a form of its own"),
        ({"classify_weight.scale": torch.full((10,), math.nan)}, "not finite"),
        ({"classify_weight.scale": torch.ones(11)}, "(11,), not as torch.float32 (10,)"),
        ({"classify_weight.scale": torch.ones(10).half()}, "as torch.float16"),
        ({"classify_weight.scale": None}, "lacks classify.weight.scale"),
        ({"classify_bias.scale": torch.ones(10)}, "has classify.bias.scale"),
        ({"classify_weight": torch.ones(10, 24)}, "as torch.float32"),
    ],
)
def test_any_other_form_of_the_same_network_is_odd(exchange, reason):
    found = find_odd_content(changed(**exchange), tiny().state_dict(), "int8")
    assert reason in found and bool(reason) == bool(found)


@pytest.mark.parametrize("scale", [torch.ones(11), None], ids=["too many", "none"])
def test_whole_numbers_without_scales_that_fit_are_no_weights(tmp_path, scale):
    path = tmp_path / "w.safetensors"
    path.write_bytes(changed(**{"classify_weight.scale": scale}))
    with pytest.raises(WeightsError, match=r"does not fit .*: classify.weight holds whole numbers"):
        load_weights(path, tiny())


def test_tensors_that_are_named_as_scales_stay_what_they_are():
    state = {"table": torch.ones(2, 3, dtype=torch.int8), "table.scale": torch.full((2,), 5.0)}
    for stored in ("float32", "int8"):
        unpacked = unpack_tensors(pack_tensors(state, stored), state)
        assert all(torch.equal(unpacked[name], state[name]) for name in state)
    state["table"] = torch.ones(2, 3)
    with pytest.raises(WeightsError, match=r"table\.scale.*rename it"):
        pack_tensors(state, "int8")


@pytest.mark.parametrize("order", [False, True])
def test_a_run_stored_as_int8_is_the_run_that_it_was(tmp_path, order):
    network = tiny()
    whole, rounded = tmp_path / "whole", tmp_path / "rounded"
    whole.write_bytes(to_safetensors(network))
    if order:
        network.load_state_dict(
            {
                name: tensor.flip(0) if tensor.dim() else tensor
                for name, tensor in network.state_dict().items()
            }
        )
    rounded.write_bytes(to_safetensors(network, "int8"))
    assert LearnedTensors(whole).is_nearly(LearnedTensors(rounded))
    rounded.write_bytes(to_safetensors(tiny(1), "int8"))
    assert not LearnedTensors(whole).is_nearly(LearnedTensors(rounded))


def test_an_entry_stored_as_int8_passes_every_gate_its_scales_counted(zoo):
    """Statistics must be those of images, so the trained seeds are recorded again."""
    states = [
        load((zoo / f"weights/tiny-seed{seed}-mnist_sample.safetensors").read_bytes())
        for seed in (0, 1)
    ]
    edit(zoo / "zoo.py", "data=data.MNIST_SAMPLE", 'data=data.MNIST_SAMPLE, stored="int8"')
    bytes_of_file = count_bytes(tiny().state_dict().values(), "int8")
    edit(zoo / "zoo.py", "max_params=5_000", f"max_params=2_157, max_weight_bytes={bytes_of_file}")
    for seed, state in enumerate(states):
        record_again(zoo, seed, state)
    code, verdicts = judge(zoo)
    assert code == 0, verdicts
    assert f"and {SCALES} numbers outside" in verdicts["params"]["observed"]  # 2,114 + 42
    assert f"{bytes_of_file:,} weight bytes" in verdicts["cost"]["observed"]
    edit(zoo / "zoo.py", "max_params=2_157", "max_params=2_156")
    edit(
        zoo / "zoo.py", f"max_weight_bytes={bytes_of_file}", f"max_weight_bytes={bytes_of_file - 1}"
    )
    _, verdicts = judge(zoo, "--only", "params,cost")
    assert {verdict["status"] for verdict in verdicts.values()} == {"fail"}
