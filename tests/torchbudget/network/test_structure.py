"""What a network computes: found on the path, whatever modules exist."""

import weakref

import pytest
import torch
import torch.nn.functional as F
import torchinfo
from networks import Net, changed, flattening_init
from torch import nn
from untrained import inspect

from model import Net3
from torchbudget.data.images import ImageSpec
from torchbudget.data.mnist import IMAGE
from torchbudget.declare.zoofile import load_zoo
from torchbudget.network.averages import global_averages
from torchbudget.network.information import count_information
from torchbudget.network.requirements import (
    active_dropouts,
    bare_weighings,
    moving_draws,
)
from torchbudget.network.structure import bypasses, count_multiply_adds, count_params
from torchbudget.network.trace import build, trace
from torchbudget.network.weighing import Structure


def ok(network):
    """(norms missing, dropouts acting in train, average pooled on every way) of a network."""
    net = build(network)
    evaluated = trace(net, IMAGE, training=False)
    averages = global_averages(Structure(evaluated))
    train = Structure(trace(net, IMAGE, training=True))
    return (
        len(bare_weighings(train)),
        len(list(active_dropouts(train))),
        bool(averages) and not bypasses(evaluated, averages),
    )


def information_of(net):
    """The numbers that a network keeps."""
    return count_information(trace(net, IMAGE, True), trace(net, IMAGE, False))


def test_an_honest_network_has_it_all():
    assert ok(Net) == (0, 1, True)


def sequence_pool(pool):
    return changed(forward=lambda self, x: self.dense(pool(self.features(x)).flatten(1)))


POOLS = {
    "adaptive": lambda x: F.adaptive_avg_pool2d(x, 1),
    "mean": lambda x: x.mean((2, 3)),
    "negative dims": lambda x: x.mean((-1, -2), keepdim=True),
    "full kernel": lambda x: F.avg_pool2d(x, x.shape[-1]),
    "twice": lambda x: x.mean(3).mean(2),
    "einsum": lambda x: torch.einsum("nchw->nc", x) / (x.shape[2] * x.shape[3]),
    "sum": lambda x: x.sum((2, 3)) / 121,
    "flat": lambda x: x.flatten(2).mean(2),
    "transposed": lambda x: x.permute(0, 2, 3, 1).flatten(1, 2).mean(1),
}


@pytest.mark.parametrize("name", POOLS)
def test_any_form_of_global_average_counts(name):
    assert ok(sequence_pool(POOLS[name]))[2]


def test_a_maximum_is_no_average():
    assert not ok(sequence_pool(lambda x: x.amax((2, 3))))[2]


def test_an_average_beside_a_flattened_map_does_not_count():
    network = changed(
        __init__=flattening_init,
        forward=lambda self, x: (
            self.dense(self.features(x).mean((2, 3))) + self.wide(self.features(x).flatten(1))
        ),
    )
    assert not ok(network)[2]


def test_a_batch_norm_that_never_runs_does_not_count():
    assert (
        ok(
            changed(
                features=lambda self, x: self.drop(
                    self.conv2(F.max_pool2d(self.norm1(self.conv1(x)), 2))
                )
            )
        )[0]
        == 1
    )


def test_a_batch_norm_whose_result_is_thrown_away_does_not_count():
    def features(self, x):
        x = self.conv1(x)
        self.norm1(x)
        return self.drop(self.norm2(self.conv2(F.max_pool2d(x, 2))))

    assert ok(changed(features=features))[0] == 1


def test_a_batch_norm_beside_the_convolution_does_not_count():
    def features(self, x):
        x = self.conv1(x)
        return self.drop(self.norm2(self.conv2(F.max_pool2d(x + self.norm1(x), 2))))

    assert ok(changed(features=features))[0] == 1


def test_a_batch_norm_on_fixed_statistics_does_not_count():
    def features(self, x):
        x = F.batch_norm(
            self.conv1(x), self.norm1.running_mean, self.norm1.running_var, training=False
        )
        return self.drop(self.norm2(self.conv2(x)))

    assert ok(changed(features=features))[0] == 1


def test_functional_forms_count():
    def features(self, x):
        x = F.batch_norm(F.conv2d(x, self.conv1.weight), None, None, training=True)
        return F.dropout(
            F.batch_norm(F.conv2d(x, self.conv2.weight), None, None, training=True),
            0.2,
            self.training,
        )

    assert ok(changed(features=features)) == (0, 1, True)


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_a_dropout_that_drops_nothing_or_all_does_not_count(p):
    def init(self):
        Net.__init__(self)
        self.drop = nn.Dropout(p)

    assert ok(changed(__init__=init))[1] == 0


def test_a_dropout_on_a_branch_times_zero_does_not_count():
    def features(self, x):
        x = self.norm2(self.conv2(self.norm1(self.conv1(x))))
        return x + 0 * self.drop(x)

    assert ok(changed(features=features))[1] == 0


def test_a_dropout_that_acts_in_eval_is_found():
    net = build(
        changed(
            features=lambda self, x: F.dropout(
                self.norm2(self.conv2(self.norm1(self.conv1(x)))), 0.2, True
            )
        )
    )
    assert len(moving_draws(Structure(trace(net, IMAGE, training=False)))) == 1


def test_unused_parameters_are_declared_but_not_used():
    def init(self):
        Net3.__init__(self)
        self.conv7, self.bn7 = nn.Conv2d(16, 10, 1, bias=False), nn.BatchNorm2d(10)
        self.conv2t, self.bn2t = nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
        self.fc1 = nn.Linear(256, 10)

    inspection = inspect(type("PublishedNet3", (Net3,), {"__init__": init}), IMAGE)
    assert (inspection.num_params, inspection.information.used) == (22_986, 17_900)


def test_tied_parameters_count_once():
    def init(self):
        Net.__init__(self)
        self.again = self.dense

    tied = inspect(
        changed(
            __init__=init,
            forward=lambda self, x: (
                self.dense(self.features(x).mean((2, 3)))
                + self.again(self.features(x).mean((2, 3)))
            ),
        ),
        IMAGE,
    )
    assert tied.num_params == tied.information.used == count_params(Net())


def test_numbers_outside_the_parameters_are_counted():
    def init(self):
        Net.__init__(self)
        self.register_buffer("table", torch.randn(7, 10))
        self.listed = [torch.randn(3, 10)]

    hiding = inspect(
        changed(
            __init__=init,
            forward=lambda self, x: (
                self.dense(self.features(x).mean((2, 3)))
                + self.table.sum(0)
                + self.listed[0].sum(0)
            ),
        ),
        IMAGE,
    )
    assert sum(hiding.hidden.values()) == 100
    assert not inspect(Net, IMAGE).hidden


def test_multiply_adds_are_those_of_a_sum_by_hand():
    by_hand = 26 * 26 * 4 * 9 + 11 * 11 * 6 * 4 * 9 + 6 * 10
    assert count_multiply_adds(Net(), IMAGE) == by_hand


def test_torchinfo_counts_the_same_parameters_in_every_entry(zoo_file):
    """By its count of the whole network: its sum over layers counts a shared filter twice."""
    zoo = load_zoo(zoo_file)
    counts = {name: count_params(build(entry.network)) for name, entry in zoo.items()}
    assert counts == {
        name: torchinfo.summary(build(entry.network), verbose=0).summary_list[0].num_params
        for name, entry in zoo.items()
    }


def normed(channels):
    return nn.Sequential(
        nn.Conv2d(1, channels, 3),
        nn.BatchNorm2d(channels),
        nn.Dropout(0.1),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(channels, 10),
    )


@pytest.mark.parametrize(("channels", "is_let_go"), [(4, False), (64, True)])
def test_a_large_network_is_held_in_one_mode_at_a_time(channels, is_let_go):
    inspection = inspect(lambda: normed(channels), ImageSpec(shape=(1, 256, 256), num_classes=10))
    train = weakref.ref(inspection.train_structure)
    evaluating = inspection.eval_structure
    assert (train() is None) == is_let_go
    assert inspection.num_dropouts == 1
    assert inspection.eval_structure is evaluating
