"""What ships: a run's weights, whole or of half precision, are what was measured."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file
from tiny_zoo import ZOO, Tiny

from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Ensemble, Member
from torchbudget.errors import WeightsError
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.measure import measure
from torchbudget.evidence.weights import load_shipped, round_weights, weights_digest, weights_paths
from train import run
from utils.runs import RunPaths

HALF = replace(ZOO[0], name="half", stored="float16")
WHOLE_NUMBERS = replace(ZOO[0], name="whole", stored="int8")
DTYPES = {
    "float16": {torch.float16, torch.int64},
    "int8": {torch.int8, torch.float16, torch.float32, torch.int64},
}


@pytest.fixture(scope="module", params=[HALF, WHOLE_NUMBERS], ids=lambda entry: entry.stored)
def shipped(request, tmp_path_factory, sample):
    """(entry, record, the folder of its weights) of a run that stores fewer bits."""
    folder = tmp_path_factory.mktemp("half")
    places = RunPaths(
        results=folder / "r.json",
        weights=folder / "weights",
        output=folder / "out",
        checkpoints=folder / "checkpoints",
    )
    return request.param, run(request.param, 0, sample, paths=places), folder / "weights"


def test_fewer_bits_are_stored_and_are_what_was_measured(shipped, sample):
    entry, record, folder = shipped
    (path,) = weights_paths(entry, 0, folder)
    stored = load_file(path)
    assert {tensor.dtype for tensor in stored.values()} == DTYPES[entry.stored]
    network = load_shipped(entry, 0, folder)
    assert all(
        tensor.dtype in (torch.float32, torch.int64) for tensor in network.state_dict().values()
    )
    assert (
        measure(network, sample.test).digest == record.digests.predictions
        and file_digest(path) == record.digests.weights
    )


def test_rounding_twice_changes_nothing_and_whole_precision_nothing_at_all():
    torch.manual_seed(0)
    network = Tiny()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    whole = round_weights(network, "float32").state_dict()
    assert all(torch.equal(before[name], whole[name]) for name in before)
    once = {
        name: tensor.clone()
        for name, tensor in round_weights(network, "float16").state_dict().items()
    }
    again = round_weights(network, "float16").state_dict()
    assert all(torch.equal(once[name], again[name]) for name in once) and not torch.equal(
        once["conv1.weight"], before["conv1.weight"]
    )


def test_what_half_precision_cannot_hold_is_refused_by_name():
    network = Tiny()
    network.norm2.running_var.fill_(1e6)
    with pytest.raises(
        WeightsError,
        match=r'norm2\.running_var holds numbers that float16 cannot; declare stored="float32"',
    ):
        round_weights(network, "float16")


@pytest.mark.parametrize("number", [torch.inf, torch.nan])
@pytest.mark.parametrize("stored", ["float16", "float32"])
def test_a_network_that_diverged_is_told_so_whatever_it_is_stored_in(number, stored):
    network = Tiny()
    network.norm2.running_var[3] = number
    with pytest.raises(WeightsError, match=r"norm2\.running_var holds .*: training diverged"):
        round_weights(network, stored)


def test_the_digest_of_an_ensemble_depends_on_every_member_and_their_order(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_bytes(b"1"), other.write_bytes(b"2")
    digests = {
        weights_digest(paths) for paths in ([one], [other], [one, other], [other, one], [one, one])
    }
    assert len(digests) == 5 and weights_digest([one]) == file_digest(one)


def test_an_ensemble_has_the_files_of_its_members(tmp_path):
    jury = Ensemble(
        name="jury",
        members=(Member(entry=ZOO[0], seeds=(1, 0)),),
        budget=Budget(max_params=9_000, max_epochs=3, max_misses=900),
    )
    names = ["tiny-seed1-mnist_sample.safetensors", "tiny-seed0-mnist_sample.safetensors"]
    assert [path.name for path in weights_paths(jury, 0, tmp_path)] == names
