"""A frozen part of a network stays as it is to the end of the run; the others learn on."""

from dataclasses import replace

import pytest
import torch
from tiny_zoo import ZOO
from torch import nn

from model import Slim
from torchbudget.data.split import split_train_val
from torchbudget.errors import DeclarationError
from torchbudget.evidence.weights import to_safetensors
from utils.recipe import SGD, Adam, Freeze, Lookahead
from utils.training import Training

(TINY,) = ZOO
HALFWAY = replace(
    TINY.recipe,
    epochs=2,
    average=None,
    optimizer=SGD(momentum=0.9, weight_decay=1e-3),
    freeze=Freeze(module="stem", after=0.5),
)


@pytest.fixture(scope="module")
def images(sample):
    train, val = split_train_val(sample, 500)
    return train[torch.arange(200)], val


def start(images, network=Slim, **changes):
    entry = replace(TINY, network=network, recipe=replace(HALFWAY, **changes))
    return Training(entry, 0, *images, torch.device("cpu"))


def copy(network):
    return {name: part.clone() for name, part in network.state_dict().items()}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"optimizer": Adam(weight_decay=1e-3, decoupled=True)},
        {"lookahead": Lookahead(k=3)},
        {"clip_norm": 0.1, "amp": "off"},
    ],
    ids=["SGD", "Adam", "Lookahead", "clipped"],
)
def test_only_the_other_parts_change_once_one_is_frozen(images, changes):
    training = start(images, **changes)
    before = copy(training.network)
    training.epoch()
    between = copy(training.network)
    training.epoch()
    for name, part in training.final_network().state_dict().items():
        assert not torch.equal(before[name], between[name]), name
        assert torch.equal(between[name], part) == name.startswith("stem."), name


def test_no_gradient_is_found_for_a_frozen_part(images):
    training = start(images, freeze=Freeze(module="stem", after=0))
    training.step(*next(training.batches()))
    gradients = {name: part.grad for name, part in training.network.named_parameters()}
    assert {name for name in gradients if gradients[name] is None} == {
        name for name in gradients if name.startswith("stem.")
    }


def test_a_part_that_is_frozen_after_the_last_step_learns_as_all_do(images):
    weights = []
    for freeze in (None, Freeze(module="stem", after=1)):
        training = start(images, freeze=freeze)
        training.epoch()
        training.epoch()
        weights.append(to_safetensors(training.final_network()))
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (Slim, "Freeze: module '0' is no part of the network; it has stem, middle, top"),
        (lambda: nn.Sequential(Slim()), "module '0' has all parameters; nothing else would learn"),
    ],
)
def test_a_part_that_cannot_be_frozen_is_named_before_the_first_step(images, network, message):
    with pytest.raises(DeclarationError, match=message):
        start(images, network, freeze=Freeze(module="0", after=0.5))
