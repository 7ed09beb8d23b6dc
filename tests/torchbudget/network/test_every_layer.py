"""Every activation and every norm of torch.nn is honest: no gate stops a network for its own."""

import inspect

import pytest
import torch
from torch import nn
from torch.nn.modules import activation, batchnorm, instancenorm, normalization
from untrained import observe_runs

from torchbudget.data.images import ImageSpec
from torchbudget.data.spec import DataSpec
from torchbudget.declare.budget import BatchNorm, Budget, Dropout, GlobalAveragePooling
from torchbudget.declare.entry import Entry
from torchbudget.gates import judge

CHANNELS = 4
PICTURES = DataSpec(name="pictures", image=ImageSpec((1, 8, 8), 10), load=lambda root: None)
LEFT_OUT = {
    "MultiheadAttention": "a layer with weights, in the corpus as attention over rows",
    "SyncBatchNorm": "runs on GPUs only",
}
ARGUMENTS = {
    "Threshold": (0.1, 0.0),
    "GLU": (1,),
    "Softmax": (1,),
    "Softmin": (1,),
    "LogSoftmax": (1,),
    "GroupNorm": (2, CHANNELS),
    "LayerNorm": ([CHANNELS, 6, 6],),
    "RMSNorm": ([CHANNELS, 6, 6],),
    "LocalResponseNorm": (2,),
    "CrossMapLRN2d": (2,),
}


def names_of(*modules):
    return [name for module in modules for name in module.__all__]


ACTIVATIONS = names_of(activation)
NORMS = names_of(batchnorm, instancenorm, normalization)


def make_layer(name, in_place=False):
    """The layer with the fewest arguments that it takes; a norm gets its number of channels."""
    kind = getattr(nn, name)
    needed = [
        parameter
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    options = {"inplace": True} if in_place else {}
    return kind(*ARGUMENTS.get(name, [CHANNELS] * len(needed)), **options)


class Net(nn.Module):
    """A convolution, a norm, an activation and what a network ends with."""

    def __init__(self, norm, act):
        super().__init__()
        self.conv = nn.Conv2d(1, CHANNELS, 3, bias=False)
        self.norm, self.act = norm, act
        self.drop = nn.Dropout(0.1)
        self.dense = nn.Linear(CHANNELS // 2 if isinstance(act, nn.GLU) else CHANNELS, 10)

    def forward(self, x):
        x = self.conv(x)  # (N, 4, 6, 6)
        kind = type(self.norm).__name__
        if "1d" in kind:
            x = self.norm(x.flatten(2)).unflatten(2, (6, 6))
        elif "3d" in kind:
            x = self.norm(x.unsqueeze(2)).squeeze(2)
        else:
            x = self.norm(x)
        return self.dense(self.drop(self.act(x)).mean((2, 3)))


def verdicts_of(norm, act, requires, in_place=False):
    def make():
        torch.manual_seed(0)
        return Net(make_layer(norm), make_layer(act, in_place))

    budget = Budget(max_params=400, requires=requires)
    entry = Entry(name="case", network=make, data=PICTURES, budget=budget)
    observation = observe_runs(entry)
    gates = ("params", "structure", "cost")
    return {gate: judge(gate, entry, observation) for gate in gates}


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in LEFT_OUT])
def test_no_activation_stops_an_honest_network(name):
    required = (BatchNorm(), Dropout(), GlobalAveragePooling())
    forms = [False]
    if "inplace" in inspect.signature(getattr(nn, name)).parameters:
        forms.append(True)
    for in_place in forms:
        verdicts = verdicts_of("BatchNorm2d", name, required, in_place)
        assert {verdict.status for verdict in verdicts.values()} == {"pass"}, verdicts
        assert not [line for line in verdicts["cost"].details if "no rule" in line]


@pytest.mark.parametrize("name", [name for name in NORMS if name not in LEFT_OUT])
def test_no_norm_stops_an_honest_network_but_those_whose_shapes_come_late(name):
    of_batch = (BatchNorm(),) if name.startswith("BatchNorm") else ()
    verdicts = verdicts_of(name, "ReLU", (*of_batch, Dropout(), GlobalAveragePooling()))
    if name.startswith("Lazy"):
        assert verdicts["params"].status != "pass"
    else:
        assert {verdict.status for verdict in verdicts.values()} == {"pass"}, verdicts


def test_the_sweep_sweeps_what_torch_has():
    assert set(LEFT_OUT) | set(ARGUMENTS) <= set(ACTIVATIONS + NORMS)
    known = {name for name in vars(nn) if name.endswith(("Norm", "Norm1d", "Norm2d", "Norm3d"))}
    assert known <= set(NORMS) and {"GELU", "PReLU", "Softmax2d"} <= set(ACTIVATIONS)
