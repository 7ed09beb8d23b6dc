"""The cost gate and the table of layers."""

import pytest
import torch
import torch.nn.functional as F
from networks import Net, changed
from torch import nn
from untrained import inspect, observe_runs

from model import EraA6, Net3, Slim
from torchbudget.data import MNIST
from torchbudget.data.mnist import IMAGE
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Entry
from torchbudget.gates import judge
from torchbudget.network.structure import count_multiply_adds, count_params
from torchbudget.report.verdict import Status
from utils.recipe import SGD, Constant, Recipe

MULTIPLY_ADDS = 26 * 26 * 4 * 9 + 11 * 11 * 6 * 4 * 9 + 6 * 10
ACTIVATION_BYTES = 4 * 2 * 4 * 26 * 26  # the first convolution's map and its norm's
WEIGHT_BYTES = 4 * (36 + 4 * 4 + 216 + 4 * 6 + 70) + 2 * 8  # two counters of batches are int64
FIELD = 8  # 3 + 1 from the pooling + 2 * 2 from a convolution on every other pixel


def judged(network, **limits):
    recipe = Recipe(epochs=1, batch_size=10, optimizer=SGD(), schedule=Constant())
    entry = Entry(
        data=MNIST,
        name="net",
        network=network,
        recipe=recipe,
        budget=Budget(max_params=10**6, max_epochs=2, max_misses=1, **limits),
    )
    return judge("cost", entry, observe_runs(entry))


LIMITS = {
    "max_multiply_adds": MULTIPLY_ADDS,
    "max_activation_bytes": ACTIVATION_BYTES,
    "max_weight_bytes": WEIGHT_BYTES,
    "min_receptive_field": FIELD,
}


def test_limits_that_are_just_met_pass():
    assert judged(Net, **LIMITS).status == Status.PASS


def test_figures_by_hand_are_shown_without_a_limit_and_pass():
    verdict = judged(Net)
    assert verdict.status == Status.PASS and verdict.expected == "no limit declared"
    assert verdict.observed == (
        f"{MULTIPLY_ADDS:,} multiply-adds, {ACTIVATION_BYTES:,} activation bytes, "
        f"{WEIGHT_BYTES:,} weight bytes, a feature sees {FIELD} of 28 pixels"
    )


@pytest.mark.parametrize("field", LIMITS)
def test_a_limit_missed_by_one_fails_and_the_others_that_are_met_do_not(field):
    beyond = LIMITS[field] + (1 if field.startswith("min") else -1)
    verdict = judged(Net, **LIMITS | {field: beyond})
    assert (
        verdict.status == Status.FAIL and verdict.field == field and ": 1 too" in verdict.difference
    )


class Spread(Net):
    """The dense layer as a product and a sum: no operation is called linear."""

    def forward(self, x):
        pooled = self.features(x).mean((2, 3))
        return (pooled.unsqueeze(1) * self.dense.weight).sum(2) + self.dense.bias


def test_a_matrix_product_by_another_name_costs_the_same():
    assert f"{MULTIPLY_ADDS:,} multiply-adds" in judged(Spread).observed


def weigh_by_singular_values(self, x):
    return self.dense(self.features(x).mean((2, 3))) + torch.linalg.svdvals(x)[:, 0, :10]


def test_what_no_rule_counts_is_listed_with_its_share_of_the_time():
    (line,) = judged(changed(forward=weigh_by_singular_values)).details
    assert "no rule counts its multiply-adds; it takes" in line and "svd" in line
    assert judged(Net).details == ()


def test_in_place_and_views_cost_no_memory_and_copies_that_are_kept_do():
    def features(act):
        return changed(
            features=lambda self, x: self.drop(
                self.norm2(self.conv2(F.max_pool2d(act(self.norm1(self.conv1(x))), 2)))
            )
        )

    in_place, kept = (
        features(lambda x: x.relu_().flatten(2).view(-1, 4, 26, 26)),
        features(lambda x: x + x.relu() * x.sigmoid()),
    )
    assert (
        f" {ACTIVATION_BYTES:,} activation" in judged(in_place).observed
        and f" {2 * ACTIVATION_BYTES:,} activation" in judged(kept).observed
    )


def test_where_nothing_averages_a_logit_sees_it_all():
    class Flat(Net):
        def __init__(self):
            super().__init__()
            self.wide = nn.Linear(726, 10)

        def forward(self, x):
            return self.wide(self.features(x).flatten(1))

    assert "sees 28 of 28" in judged(Flat).observed


@pytest.mark.parametrize("network", [Slim, Net3, EraA6])
def test_the_table_adds_up_to_the_whole(network):
    net = network()
    rows = inspect(network, IMAGE).layers
    assert sum(row.params for row in rows) == count_params(net) and sum(
        row.multiply_adds for row in rows
    ) == count_multiply_adds(net, IMAGE)
    assert (
        rows[0].shape[1:] == (28, 28) and rows[-1].shape == (10,) and rows[-1].receptive_field == 28
    )
