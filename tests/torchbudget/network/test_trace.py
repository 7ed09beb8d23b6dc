"""Tracing and identity: what is computed, whatever it is called."""

import pytest
import torch
from networks import Net, changed
from torch import nn

from model import ConvNormReLU, Slim
from torchbudget.data.mnist import IMAGE
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import NetworkError
from torchbudget.network.structure import count_multiply_adds, network_digest
from torchbudget.network.trace import build, replay, trace


def test_the_digest_follows_what_is_computed_and_nothing_else():
    same = changed(
        forward=lambda self, x: self.dense((self.features(x)).mean(dim=(2, 3))),
        unused=lambda self: 1,
    )
    other = changed(forward=lambda self, x: self.dense(self.features(x).mean((2, 3))) * 2)
    assert (
        network_digest(build(Net), IMAGE)
        == network_digest(build(same), IMAGE)
        != network_digest(build(other), IMAGE)
    )


def test_the_digest_does_not_depend_on_weights_or_mode():
    torch.manual_seed(5)
    assert network_digest(Slim().eval(), IMAGE) == network_digest(build(Slim), IMAGE)


def test_a_skipped_or_wider_layer_changes_the_digest():
    class Skipped(Slim):
        def forward(self, x):
            return self.classify(self.top(self.middle(self.stem(x))).mean((2, 3)))

    class Wider(Slim):
        def __init__(self):
            super().__init__()
            self.top = nn.Sequential(ConvNormReLU(20, 25, padding=1), ConvNormReLU(25, 24))

    assert len({network_digest(build(network), IMAGE) for network in (Slim, Skipped, Wider)}) == 3


def test_tracing_leaves_the_network_as_it_was():
    net = Net().train()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    (
        trace(net, IMAGE, training=True),
        trace(net, IMAGE, training=False),
        network_digest(net, IMAGE),
        count_multiply_adds(net, IMAGE),
    )
    assert net.training and all(
        torch.equal(before[name], tensor) for name, tensor in net.state_dict().items()
    )


def test_a_compiled_network_is_traced_as_itself():
    assert len(trace(torch.compile(Net()), IMAGE, False).path) == len(
        trace(Net(), IMAGE, False).path
    )


@pytest.mark.parametrize(
    "broken",
    [lambda: 3, lambda: nn.Linear(3, 10), lambda: 1 / 0],
    ids=["no module", "wrong shape", "raises"],
)
def test_a_network_that_cannot_be_built_or_run_is_a_structure_error(broken):
    with pytest.raises(NetworkError):
        trace(build(broken), IMAGE, training=False)


def test_every_entry_of_the_zoo_can_be_traced(zoo_file):
    zoo = load_zoo(zoo_file)
    assert [
        name for name, entry in zoo.items() if not trace(build(entry.network), IMAGE, False).path
    ] == []


def test_each_operation_knows_its_module_and_the_line_that_called_it():
    traced = trace(build(Slim), IMAGE, training=True)
    meta = [node.meta for node in traced.path]
    assert [where["module"] for where in meta if where["module"].startswith("middle.0")] == [
        "middle.0.0",
        "middle.0.1",
        "middle.0.2",
    ]
    assert meta[-1]["module"] == "classify"
    assert {where["source"].split(":")[0] for where in meta} == {"model.py"}


def test_a_network_that_fails_leaves_no_hook_behind():
    def fail(self, x):
        raise ValueError("broken")

    with pytest.raises(NetworkError):
        trace(build(changed(features=fail)), IMAGE, training=False)
    assert trace(build(Net), IMAGE, training=False).path[0].meta["module"] == "conv1"


def test_a_trace_names_the_parameters_that_nothing_uses():
    class Idle(Net):
        def __init__(self):
            super().__init__()
            self.idle = nn.Linear(3, 3)

    traced = trace(build(Idle), IMAGE, training=False)
    assert {"idle.weight", "idle.bias"} <= traced.parameters
    assert "norm1.running_mean" in traced.state.keys() - traced.parameters


def test_a_replay_that_keeps_earlier_values_gives_the_same_logits():
    """Also where operations write to tensors that were empty before, or that others read."""

    class Response(Slim):
        def __init__(self):
            super().__init__()
            self.response = nn.CrossMapLRN2d(2)

        def forward(self, x):
            x = self.response(self.middle(self.stem(x)))
            return self.classify(self.top(x.mul_(2)).mean((2, 3)))

    traced = trace(build(Response), IMAGE, training=False)
    kept, overwritten, again = (
        replay(traced, dict(traced.state), traced.images.clone(), in_place=in_place)
        for in_place in (False, True, False)
    )
    assert torch.equal(kept[traced.output], overwritten[traced.output])
    read = [
        node for node in traced.path if node.op == "call_function" and "resize" not in node.name
    ]
    assert all(torch.equal(kept[node], again[node]) for node in read)
