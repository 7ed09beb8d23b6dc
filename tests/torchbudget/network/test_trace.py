"""Tracing and identity: what is computed, whatever it is called."""

import pytest
import torch
from networks import Net, changed
from torch import nn

from model import ConvNormReLU, Slim
from torchbudget.data import MNIST
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import NetworkError
from torchbudget.network.structure import count_multiply_adds, network_digest
from torchbudget.network.trace import build, trace


def test_the_digest_follows_what_is_computed_and_nothing_else():
    same = changed(
        forward=lambda self, x: self.dense((self.features(x)).mean(dim=(2, 3))),
        unused=lambda self: 1,
    )
    other = changed(forward=lambda self, x: self.dense(self.features(x).mean((2, 3))) * 2)
    assert (
        network_digest(build(Net), MNIST.image)
        == network_digest(build(same), MNIST.image)
        != network_digest(build(other), MNIST.image)
    )


def test_the_digest_does_not_depend_on_weights_or_mode():
    torch.manual_seed(5)
    assert network_digest(Slim().eval(), MNIST.image) == network_digest(build(Slim), MNIST.image)


def test_a_skipped_or_wider_layer_changes_the_digest():
    class Skipped(Slim):
        def forward(self, x):
            return self.classify(self.top(self.middle(self.stem(x))).mean((2, 3)))

    class Wider(Slim):
        def __init__(self):
            super().__init__()
            self.top = nn.Sequential(ConvNormReLU(20, 25, padding=1), ConvNormReLU(25, 24))

    assert (
        len({network_digest(build(network), MNIST.image) for network in (Slim, Skipped, Wider)})
        == 3
    )


def test_tracing_leaves_the_network_as_it_was():
    net = Net().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    (
        trace(net, MNIST.image, training=True),
        trace(net, MNIST.image, training=False),
        network_digest(net, MNIST.image),
        count_multiply_adds(net, MNIST.image),
    )
    assert net.training and all(
        torch.equal(before[name], tensor) for name, tensor in net.state_dict().items()
    )


def test_a_compiled_network_is_traced_as_itself():
    assert len(trace(torch.compile(Net()), MNIST.image, False).path) == len(
        trace(Net(), MNIST.image, False).path
    )


@pytest.mark.parametrize(
    "broken",
    [lambda: 3, lambda: nn.Linear(3, 10), lambda: 1 / 0],
    ids=["no module", "wrong shape", "raises"],
)
def test_a_network_that_cannot_be_built_or_run_is_a_structure_error(broken):
    with pytest.raises(NetworkError):
        trace(build(broken), MNIST.image, training=False)


def test_every_entry_of_the_zoo_can_be_traced(zoo_file):
    zoo = load_zoo(zoo_file)
    assert [
        name
        for name, entry in zoo.items()
        if not trace(build(entry.network), MNIST.image, False).path
    ] == []
