"""The params gate: numbers count wherever they are kept."""

import pytest
import torch
from networks import Net, changed
from torch import nn
from untrained import inspect, observe_runs

from torchbudget.data import MNIST
from torchbudget.data.mnist import IMAGE
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Entry
from torchbudget.gates import judge
from torchbudget.network.hidden import late_tensors
from torchbudget.network.structure import count_params
from torchbudget.network.trace import build
from torchbudget.report.verdict import Status
from utils.recipe import SGD, Constant, Recipe

TABLE, FROZEN = torch.randn(5, 10), nn.Linear(6, 10)
NUMBERS = [number / 7 for number in range(50)]
DECLARED = count_params(Net())


def judged(network, **limits):
    recipe = Recipe(epochs=1, batch_size=10, optimizer=SGD(), schedule=Constant())
    entry = Entry(
        data=MNIST,
        name="net",
        network=network,
        recipe=recipe,
        budget=Budget(**{"max_params": DECLARED + 1, "max_epochs": 2, "max_misses": 1} | limits),
    )
    return judge("params", entry, observe_runs(entry))


def plus(extra):
    """`Net` whose logits get `extra(self, pooled features)` added."""

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + extra(self, pooled)

    return changed(forward=forward)


class BufferNamedLikeStatistics(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("running_mean", torch.randn(5, 10))

    def forward(self, x):
        return super().forward(x) + self.running_mean.sum(0)


class NormThatNeverMoves(Net):
    def __init__(self):
        super().__init__()
        self.norm2.momentum = 0.0


HIDDEN = {
    "buffer with a name of statistics": (BufferNamedLikeStatistics, 50),
    "statistics read by other code": (plus(lambda self, pooled: self.norm2.running_mean.sum()), 6),
    "statistics that training never moves": (NormThatNeverMoves, 12),
    "global": (plus(lambda self, pooled: TABLE.sum(0)), 50),
    "default": (plus(lambda self, pooled, table=TABLE: table.sum(0)), 50),
    "Python list": (plus(lambda self, pooled: torch.tensor(NUMBERS).view(5, 10).sum(0)), 50),
    "array": (plus(lambda self, pooled: torch.from_numpy(TABLE.numpy()).sum(0)), 50),
    "network in a global": (plus(lambda self, pooled: FROZEN(pooled)), 70),
    "only in eval": (plus(lambda self, pooled: 0 if self.training else TABLE.sum(0)), 50),
}


@pytest.mark.parametrize("place", HIDDEN)
def test_numbers_outside_the_parameters_count(place):
    network, count = HIDDEN[place]
    verdict = judged(network)
    assert (
        verdict.status == Status.FAIL
        and f"and {count} numbers outside the parameters" in verdict.observed
    )
    assert judged(network, max_params=DECLARED + count + 1).status == Status.PASS


def test_fifty_fractions_in_the_code_count_as_more_than_fifty_numbers_of_32_bits():
    network = plus(lambda self, pooled: sum(pooled.sum() * number for number in NUMBERS))
    information = judged(network, max_params=DECLARED + 50)
    assert information.status == Status.FAIL
    assert "literals and wiring of the graph" in information.details[-1]


def test_the_limit_itself_fails_and_one_above_passes():
    assert (
        judged(Net, max_params=DECLARED).difference == "+1 too many"
        and judged(Net).status == Status.PASS
    )


def test_statistics_of_norms_that_run_or_never_run_are_no_capacity():
    def init(self):
        Net.__init__(self)
        self.idle = nn.BatchNorm2d(9)

    inspection = inspect(changed(__init__=init), IMAGE)
    assert {"idle.running_mean", "idle.running_var"} <= set(inspection.network.state)
    assert not inspection.hidden


class Lazy(Net):
    def __init__(self):
        super().__init__()
        self.dense = nn.LazyLinear(10)


class Grows(Net):
    def forward(self, x):
        if not hasattr(self, "more"):
            self.more = nn.Linear(6, 10)
        pooled = self.features(x).mean((2, 3))
        return self.dense(pooled) + self.more(pooled)


class OtherInEval(Net):
    def train(self, mode=True):
        self.dense = nn.Linear(6, 10, bias=mode)
        return super().train(mode)


@pytest.mark.parametrize("network", [Lazy, Grows, OtherInEval])
def test_parameters_that_come_late_or_change_with_the_mode_fail(network):
    verdict = judged(network, max_params=10**6)
    assert verdict.status == Status.FAIL and "come late" in verdict.difference
    assert not late_tensors(build(Net), IMAGE)


def test_the_largest_layer_the_trainable_and_the_headroom_are_shown():
    verdict = judged(Net, max_params=DECLARED + 100)
    assert verdict.difference == "100 below" and verdict.details == (
        f"largest layer: conv2, 216 ({216 / DECLARED:.0%})",
        f"trainable: {DECLARED}",
    )


def test_a_network_that_does_not_run_is_never_a_pass():
    assert judged(changed(forward=lambda self, x: 1 / 0)).status == Status.NOT_RUN
