"""The structure gate: what runs and moves the logits, and eval as a function of one image."""

import pytest
import torch
import torch.nn.functional as F
from networks import Net, changed, flattening_init
from torch import nn
from untrained import observe_runs

from model import EraA6, Net3, Slim
from torchbudget.data import MNIST
from torchbudget.declare.budget import (
    BatchNorm,
    Budget,
    Dropout,
    GlobalAveragePooling,
    NoDenseOnMap,
)
from torchbudget.declare.entry import Entry
from torchbudget.gates import judge
from torchbudget.report.verdict import Status
from utils.recipe import SGD, Constant, Recipe

EVERYTHING = (BatchNorm(), Dropout(), GlobalAveragePooling(), NoDenseOnMap())


def judged(network, *requires):
    recipe = Recipe(epochs=1, batch_size=10, optimizer=SGD(), schedule=Constant())
    entry = Entry(
        data=MNIST,
        name="net",
        network=network,
        recipe=recipe,
        budget=Budget(max_params=10**6, max_epochs=2, max_misses=1, requires=requires),
    )
    return judge("structure", entry, observe_runs(entry))


def logits(change):
    """`Net` whose logits pass through `change(self, logits)`."""
    return changed(forward=lambda self, x: change(self, self.dense(self.features(x).mean((2, 3)))))


@pytest.mark.parametrize("network", [Net, Slim, Net3])
def test_honest_networks_keep_every_requirement(network):
    assert judged(network, *EVERYTHING).status == Status.PASS


def test_the_last_convolution_can_be_spared_in_both_modes():
    assert (
        judged(EraA6, BatchNorm(except_last=True)).status == Status.PASS
        and judged(EraA6, BatchNorm()).status == Status.FAIL
    )


class Remembers(Net):
    def __init__(self):
        super().__init__()
        self.register_buffer("last", torch.zeros(10))

    def forward(self, x):
        self.last.copy_(super().forward(x)[0].detach())
        return super().forward(x)


class NormOfTheBatchAtTest(Net):
    def features(self, x):
        return F.relu(
            F.batch_norm(self.conv2(F.relu(self.norm1(self.conv1(x)))), None, None, training=True)
        )


NO_FUNCTION = {
    "depend on its batch": [
        logits(lambda self, x: x - x.mean(0)),
        NormOfTheBatchAtTest,
        logits(lambda self, x: x + x.roll(1, 0)),
    ],
    "eval draws random numbers": [
        logits(lambda self, x: x + torch.rand(10)),
        logits(lambda self, x: F.dropout(x, 0.5, True)),
    ],
    "changes last": [Remembers],
    "logits depend on its batch": [
        logits(lambda self, x: F.batch_norm(x, None, None, training=True))
    ],
}


@pytest.mark.parametrize(
    ("reason", "network"),
    [(reason, network) for reason, networks in NO_FUNCTION.items() for network in networks],
)
def test_eval_that_is_no_function_of_the_image_fails_whatever_is_required(reason, network):
    verdict = judged(network)
    assert verdict.status == Status.FAIL and reason in verdict.observed


class Flattened(Net):
    def __init__(self):
        flattening_init(self)

    def forward(self, x):
        return self.wide(self.features(x).flatten(1))


class Rows(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(66, 10)

    def forward(self, x):
        return self.wide(self.features(x).mean(3).flatten(1))


class Picked(Net):
    def __init__(self):
        super().__init__()
        self.wide = nn.Linear(24, 10)

    def forward(self, x):
        x = self.features(x)
        return self.wide(torch.cat([x[:, :, 0, 0], x[:, :, 0, 5], x[:, :, 5, 0], x[:, :, 5, 5]], 1))


class FullKernel(Net):
    def __init__(self):
        super().__init__()
        self.top = nn.Conv2d(6, 10, 11)

    def forward(self, x):
        return self.top(self.features(x)).flatten(1)


class Mixer(Net):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(121, 121)

    def forward(self, x):
        return self.dense(self.mix(self.features(x).flatten(2)).mean(2))


@pytest.mark.parametrize("network", [Flattened, Rows, Picked, FullKernel, Mixer])
def test_a_dense_layer_that_weighs_the_pixels_of_a_map_is_found(network):
    verdict = judged(network, NoDenseOnMap())
    assert verdict.status == Status.FAIL and "weighs the pixels" in verdict.observed


class ChannelsLast(Net):
    def __init__(self):
        super().__init__()
        self.mix = nn.Linear(6, 6)

    def forward(self, x):
        return self.dense(self.mix(self.features(x).permute(0, 2, 3, 1)).mean((1, 2)))


def test_a_dense_layer_on_each_pixels_channels_is_a_convolution():
    assert judged(ChannelsLast, NoDenseOnMap()).status == Status.PASS


class OnlyInTrain(Net):
    def features(self, x):
        x = (
            self.conv2(self.conv1(x))
            if not self.training
            else self.norm2(self.conv2(self.norm1(self.conv1(x))))
        )
        return self.drop(x)


def test_a_batch_norm_that_only_train_has_does_not_count():
    verdict = judged(OnlyInTrain, BatchNorm())
    assert verdict.status == Status.FAIL and "not normalised in eval" in verdict.observed


class PoolTimesZero(Net):
    def __init__(self):
        flattening_init(self)

    def forward(self, x):
        x = self.features(x)
        return self.wide(x.flatten(1)) + 0 * self.dense(x.mean((2, 3)))


def test_a_global_average_times_zero_does_not_count():
    assert (
        "no operation on the path averages"
        in judged(PoolTimesZero, GlobalAveragePooling()).observed
    )


class StartsAtZero(Net):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(1))

    def features(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        return F.max_pool2d(x, 2).repeat(1, 2, 1, 1)[:, :6, 1:-1, 1:-1] + self.scale * self.drop(
            F.relu(self.norm2(self.conv2(F.max_pool2d(x, 2))))
        )


def test_a_branch_whose_scale_starts_at_zero_and_trains_counts():
    assert judged(StartsAtZero, *EVERYTHING).status == Status.PASS
