"""Rounding while training: gradients are those at the rounded weights, and move the others."""

from dataclasses import replace

import pytest
import torch
from tiny_zoo import ZOO

from torchbudget.data.split import split_train_val
from torchbudget.errors import DeclarationError
from torchbudget.evidence.stored import round_tensor
from torchbudget.evidence.weights import to_safetensors
from utils.recipe import SGD, Constant, Rounding
from utils.rounding import rounded
from utils.training import Training

(TINY,) = ZOO
PLAIN = SGD(momentum=0.0, nesterov=False)
RECIPE = replace(
    TINY.recipe, optimizer=PLAIN, schedule=Constant(lr=0.1), average=None, amp="off", epochs=2
)
ENTRY = replace(TINY, stored="int8", recipe=replace(RECIPE, rounding=Rounding(epochs=2)))


@pytest.fixture(scope="module")
def images(sample):
    train, val = split_train_val(sample, 500)
    return train[torch.arange(200)], val


def start(entry, images):
    return Training(entry, 0, *images, torch.device("cpu"))


def copy(network):
    return {name: part.detach().clone() for name, part in network.named_parameters()}


def test_a_step_takes_the_gradient_at_the_rounded_weights_from_the_weights_as_they_are(images):
    training = start(ENTRY, images)
    training.network.eval()  # no dropout: the two passes below are of one function
    before = copy(training.network)
    index, batch, labels = next(training.batches())
    training.step(index, batch, labels)
    stepped = copy(training.network)
    other = start(ENTRY, images)
    other.network.eval()
    for part in other.network.parameters():
        part.data.copy_(round_tensor(part.detach(), "int8"))
    at = copy(other.network)
    other.recipe = replace(other.recipe, rounding=None)
    other.step(index, batch, labels)
    for name, part in other.network.named_parameters():
        moved = part.detach() - at[name]
        assert torch.allclose(stepped[name], before[name] + moved, atol=1e-6), name
        assert not torch.equal(before[name], at[name]) or before[name].dim() < 2


def test_only_the_last_epochs_round(images):
    training = start(replace(ENTRY, recipe=replace(RECIPE, rounding=Rounding(epochs=1))), images)
    seen = []
    while len(training.history) < 2:
        seen.append(training.rounds)
        training.epoch()
    assert seen == [False, True]


def test_weights_are_put_back_whatever_happens_inside(images):
    network = start(ENTRY, images).network
    before = to_safetensors(network)

    def fail() -> None:
        with rounded(network, "int8"):
            assert to_safetensors(network) != before
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert to_safetensors(network) == before


def test_there_must_be_fewer_bits_to_round_to(images):
    with pytest.raises(DeclarationError, match="rounding needs fewer bits"):
        start(replace(ENTRY, stored="float32"), images)
