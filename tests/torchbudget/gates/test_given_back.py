"""Running statistics that training images give back are free, all others count."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from untrained import observe_runs

from torchbudget.data.images import as_floats
from torchbudget.data.mnist import MNIST_SAMPLE
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Ensemble, Entry, Member
from torchbudget.evidence.record import record_ensemble, record_run
from torchbudget.gates.claim import judge_claim
from torchbudget.network.capture import capture
from torchbudget.network.captured import Network
from torchbudget.network.given_back import _moments, find_strange
from torchbudget.network.information import count_information
from torchbudget.report.verdict import Status

NUM_PARAMS = 342
BUDGET = Budget(max_params=NUM_PARAMS + 4, max_misses=1_000)


class Normed(nn.Module):
    """342 parameters, and two norms that `norm` makes of a number of channels."""

    def __init__(self, norm=nn.BatchNorm2d, shared=0.0):
        super().__init__()
        self.conv1, self.norm1 = nn.Conv2d(1, 4, 3, bias=False), norm(4)
        self.conv2, self.norm2 = nn.Conv2d(4, 6, 3, bias=False), norm(6)
        self.dense = nn.Linear(6, 10)
        self.shared = shared

    def forward(self, x):
        x = F.relu(self.norm1(F.max_pool2d(self.conv1(x), 2)))
        if self.shared:
            x = F.relu(self.norm1(self.shared * x))
        return self.dense(
            F.relu(self.norm2(F.dropout(self.conv2(x), 0.2, self.training))).mean((2, 3))
        )


def train(network, images, steps=40):
    """The network after some steps on the images, in batches of 50."""
    torch.manual_seed(0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    network.train()
    for step in range(steps):
        start = 50 * step % len(images)
        batch = images[torch.arange(start, start + 50)]
        pixels = images.image.normalise(as_floats(batch.pixels))
        optimizer.zero_grad()
        F.cross_entropy(network(pixels), batch.labels).backward()
        optimizer.step()
    return network.eval()


def judge(entry, network, sample, folder):
    """The claim of that network, recorded truly."""
    recorded = record_run(entry, 0, network, folder=folder, dataset=sample)
    observation = observe_runs(entry, [recorded.run], weights=folder / "weights", dataset=sample)
    return judge_claim(entry, observation)


def strange_of(network, make, sample):
    """The statistics of a network, captured as `make` builds it, that 128 images do not give."""
    captured = make if isinstance(make, Network) else capture(make, sample.image)
    images = sample.image.normalise(as_floats(sample.train.pixels[:128]))
    names = count_information(captured.trace(True), captured.trace(False)).statistics
    assert names == {name for name in captured.names if "running" in name}
    return find_strange(captured, captured.with_weights(network.state_dict()), images, names)


def entry_of(network, budget=BUDGET):
    return Entry(name="normed", network=network, data=MNIST_SAMPLE, budget=budget)


def average(network, sample, steps=20):
    """A running average of the weights; the statistics are those of the network's last step."""
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    for _ in range(steps):
        train(network, sample.train, steps=1)
        averaged.update_parameters(network)
    return averaged.module


def measure_precisely(network, sample):
    """The statistics of 1,000 training images, after training."""
    network.train()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
    with torch.no_grad():
        for pixels in sample.train.pixels[:1000].split(100):
            network(sample.image.normalise(as_floats(pixels)))
    return network.eval()


@pytest.mark.parametrize(
    ("make", "finish"),
    [
        (Normed, None),
        (partial(Normed, partial(nn.BatchNorm2d, momentum=None)), None),
        (partial(Normed, partial(nn.BatchNorm2d, momentum=0.01)), None),
        (partial(Normed, partial(nn.BatchNorm2d, momentum=0.9)), None),
        (partial(Normed, partial(nn.InstanceNorm2d, affine=True, track_running_stats=True)), None),
        (partial(Normed, shared=20.0), None),
        (partial(Normed, partial(nn.BatchNorm2d, momentum=0.99), shared=0.05), None),
        (Normed, average),
        (Normed, measure_precisely),
        (Normed, lambda network, sample: Normed()),
    ],
    ids="plain cumulative slow fast instance shared last averaged precise untrained".split(),
)
def test_honest_statistics_are_free_however_they_came_about(make, finish, sample):
    network = train(make(), sample.train)
    network = finish(network, sample) if finish else network
    assert strange_of(network, make, sample) == []


@pytest.fixture(scope="module")
def trained(sample):
    return train(Normed(), sample.train)


@pytest.fixture(scope="module")
def captured():
    return capture(Normed, MNIST_SAMPLE.image)


def hide(network, mean=0.0, variance=1.0, channel=3):
    """A copy whose second norm is that many deviations, and that factor, off in one channel."""
    network = copy.deepcopy(network)
    network.norm2.running_mean[channel] += mean * network.norm2.running_var[channel].sqrt()
    network.norm2.running_var[channel] *= variance
    return network


def test_statistics_of_something_else_count_as_numbers(trained, sample, tmp_path):
    entry = entry_of(Normed)
    verdict = judge(entry, hide(trained, mean=30), sample, tmp_path)
    assert verdict.status is Status.FAIL
    assert "the statistics of norm2" in verdict.observed
    assert "12 numbers count" in verdict.observed and "354 in all" in verdict.observed
    assert "norm1" not in verdict.observed
    roomy = entry_of(Normed, replace(BUDGET, max_params=NUM_PARAMS + 13))
    verdict = judge(roomy, hide(trained, mean=30), sample, tmp_path)
    assert verdict.status is Status.PASS and "12 numbers count" in verdict.details[0]
    unlimited = entry_of(Normed, replace(BUDGET, max_params=None))
    assert judge(unlimited, hide(trained, mean=30), sample, tmp_path).details == ()


@given(mean=st.floats(-1e3, 1e3), power=st.floats(-6, 6), channel=st.integers(0, 5))
@settings(max_examples=20)
def test_no_channel_may_be_far_off(mean, power, channel, trained, captured, sample):
    changed = hide(trained, mean, 10.0**power, channel)
    strange = strange_of(changed, captured, sample)
    if abs(mean) > 8 or abs(power) > 1.5:
        assert [kept.module for kept in strange] == ["norm2"]
    if abs(mean) < 0.3 and abs(power) < 0.3:
        assert strange == []


def test_an_ensembles_strange_statistics_count_once_a_vote(trained, sample, tmp_path):
    member = entry_of(Normed, replace(BUDGET, max_params=1_000))
    recorded = record_run(member, 0, hide(trained, mean=30), folder=tmp_path, dataset=sample)
    jury = Ensemble(
        name="jury",
        members=(Member(entry=member, seeds=(0,)),),
        vote="logits",
        budget=replace(BUDGET, max_params=NUM_PARAMS + 12),
    )
    together = record_ensemble(jury, [recorded.run], folder=tmp_path, dataset=sample)
    runs = [recorded.run, together.run]
    observation = observe_runs(jury, runs, weights=tmp_path / "weights", dataset=sample)
    verdict = judge_claim(jury, observation)
    assert verdict.status is Status.FAIL and "354 in all" in verdict.observed


def test_a_deviation_whose_square_half_precision_cannot_hold_is_measured():
    maps = torch.zeros(64, 2, 8, 8)
    maps[0, 0, 0, 0] = 300.0
    exact = torch.var_mean(maps.double(), (0, 2, 3), correction=0)
    for dtype in (torch.float16, torch.float32, torch.float64):
        mean, variance = _moments(maps.to(dtype), "batch_norm")
        torch.testing.assert_close((variance, mean), exact, rtol=1e-5, atol=1e-7)
