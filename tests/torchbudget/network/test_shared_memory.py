"""What is written through one view of a tensor and read through another is in the graph."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from networks import Net
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.data.mnist import IMAGE as DIGITS
from torchbudget.errors import NetworkError
from torchbudget.network.behaviour import misbehaviours
from torchbudget.network.capture import capture
from torchbudget.network.captured import Network
from torchbudget.network.memory import check_reads
from torchbudget.network.program import Program, Ref, Step
from torchbudget.network.trace import replay, trace, trace_on

IMAGE = ImageSpec(shape=(2, 4, 6), num_classes=10)
VIEWS = {
    "all of it": lambda x: x,
    "flat": lambda x: x.flatten(1),
    "reshaped": lambda x: x.view(-1, 2, 6, 4),
    "transposed": lambda x: x.transpose(2, 3),
    "channels last": lambda x: x.permute(0, 2, 3, 1),
    "a channel": lambda x: x[:, 1],
    "a row": lambda x: x[:, :, 2],
    "every second pixel": lambda x: x[:, :, ::2, 1::2],
    "a diagonal": lambda x: x.diagonal(dim1=2, dim2=3),
    "half of the channels": lambda x: x.chunk(2, 1)[0],
    "a window": lambda x: x.unfold(3, 2, 2)[..., 1],
    "one image": lambda x: x[0],
    "as strided": lambda x: x.as_strided((len(x), 5), (48, 3), 1),
}
WRITES = {
    "relu": lambda x, weight: x.relu_(),
    "product": lambda x, weight: x.mul_(weight),
    "sum": lambda x, weight: x.add_(weight.sin().mean()),
    "zero": lambda x, weight: x.zero_(),
    "copy": lambda x, weight: x.copy_(weight.expand(x.shape)),
    "out": lambda x, weight: torch.add(x.clone(), weight, out=x),
    "fill": lambda x, weight: x.masked_fill_(x > 0.5, 0.25),
}
LAYOUTS = [torch.contiguous_format, torch.channels_last]


class Writing(nn.Module):
    """A 1x1 convolution, then `writes` to views of its maps, of which one is read in the end."""

    def __init__(self, writes, early, read, layout):
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 1)
        self.weights = nn.ParameterList(nn.Parameter(torch.randn(1)) for _ in writes)
        self.writes, self.early, self.read, self.layout = writes, early, read, layout
        self.dense = nn.Linear(1, 10)

    def forward(self, x):
        maps = self.conv(x).contiguous(memory_format=self.layout)
        views = {name: VIEWS[name](maps) for name in self.early if self._applies(name)}
        for (name, kind), weight in zip(self.writes, self.weights, strict=True):
            if self._applies(name):
                view = views[name] if name in views else VIEWS[name](maps)
                WRITES[kind](view, weight)
        kept = views.get(self.read, maps)
        return self.dense((maps + 0).flatten(1).sin().sum(1, True) + kept.sum() / len(x))

    def _applies(self, name):
        return self.layout is LAYOUTS[0] or name not in {"flat", "reshaped"}


QUICK = settings(
    max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck)
)


@QUICK
@given(
    writes=st.lists(
        st.tuples(st.sampled_from(list(VIEWS)), st.sampled_from(list(WRITES))),
        min_size=1,
        max_size=4,
    ),
    early=st.sets(st.sampled_from(list(VIEWS)), max_size=3),
    read=st.sampled_from(list(VIEWS)),
    layout=st.sampled_from(LAYOUTS),
)
def test_a_graph_computes_and_differentiates_what_writes_to_views_do(writes, early, read, layout):
    torch.manual_seed(0)
    network = Writing(writes, early, read, layout).double()
    images = torch.randn(3, *IMAGE.shape, dtype=torch.double)
    traced = trace_on(network, images, training=True)
    with torch.no_grad():
        logits = network(images.clone())
        for in_place in (False, True):
            values = replay(traced, dict(traced.state), images.clone(), in_place)
            assert torch.allclose(values[traced.output], logits, rtol=1e-12)
    check_reads(traced.graph, values)
    expected = gradients_of(network, lambda: network(images))
    if expected is None:
        return
    state = dict(traced.state) | dict(network.named_parameters())
    found = gradients_of(network, lambda: replay(traced, state, images.clone())[traced.output])
    for name, gradient in expected.items():
        assert torch.allclose(found[name], gradient)
        assert name in traced.used or not gradient.any()


def gradients_of(network, forward):
    """The gradient at each parameter, by name; None where torch finds none for lack of values."""
    parameters = dict(network.named_parameters())
    weights = torch.linspace(1, 2, 10, dtype=torch.double)
    try:
        gradients = torch.autograd.grad(
            (forward() * weights).sum(), list(parameters.values()), materialize_grads=True
        )
    except RuntimeError:
        return None
    return dict(zip(parameters, gradients, strict=True))


def test_a_write_to_a_part_of_a_buffer_is_seen_as_one_to_the_buffer():
    class Queue(Net):
        def __init__(self):
            super().__init__()
            self.register_buffer("queue", torch.zeros(4, 6))

        def forward(self, x):
            pooled = self.features(x).mean((2, 3))
            self.queue[1:3] = pooled[:2]
            return self.dense(pooled + self.queue.sum(0))

    network = capture(Queue, DIGITS)
    assert "a forward in eval mode changes queue: copy_" in list(misbehaviours(network))


def test_what_is_written_as_another_type_cannot_be_read_as_the_first():
    class Complex(Net):
        def forward(self, x):
            numbers = torch.zeros(len(x), 6, dtype=torch.complex64)
            torch.view_as_real(numbers)[..., 0] = self.features(x).mean((2, 3))
            return self.dense(numbers.abs())

    with pytest.raises(NetworkError, match="reads what was written to other memory: write it"):
        trace(Complex(), DIGITS, training=False)


def test_running_statistics_are_read_as_a_norm_has_moved_them():
    class Reading(Net):
        def __init__(self):
            super().__init__()
            self.drop = nn.Identity()

        def forward(self, x):
            twice = super().forward(x) + super().forward(x.flip(3))
            return twice + self.norm2.running_mean.sum() + self.norm2.running_var.sum()

    network = Reading()
    traced = trace(network, DIGITS, training=True)
    state = {name: tensor.clone() for name, tensor in traced.state.items()}
    logits = traced.run()
    in_place = replay(traced, state, traced.images.clone(), in_place=True)
    check_reads(traced.graph, in_place)
    assert torch.equal(in_place[traced.output], logits)
    assert torch.allclose(network.train()(traced.images), logits)
    for name, tensor in network.state_dict().items():
        assert torch.allclose(state[name], tensor, 1e-4), name


def test_statistics_that_no_norm_moves_are_read_by_no_operation():
    class Updating(Net):
        def forward(self, x):
            means, variances = torch.zeros(6), torch.ones(6)
            torch.batch_norm_update_stats(self.features(x), means, variances, 1.0)
            return super().forward(x) + means.sum()

    with pytest.raises(NetworkError, match="reads what was written to other memory"):
        trace(Updating(), DIGITS, training=False)


def test_a_graph_that_reads_through_another_view_than_was_written_is_refused():
    flat = Step("aten::flatten.using_ints", (Ref(0), 1))
    left, right = (Step("aten::slice.Tensor", (Ref(1), 1, *part)) for part in ((0, 10), (10, 20)))

    def run(read, *writes):
        program = Program((Step("images"), flat, left, right, *writes), read)
        constants = {"kept": torch.zeros(2, 10)}
        network = Network(DIGITS, program, program, {}, constants, {}, frozenset(), frozenset())
        network.trace(training=False)

    relu = {number: Step("aten::relu_.default", (Ref(number),)) for number in (1, 2, 4)}
    run(4, relu[1])
    run(5, relu[1], relu[4])
    run(3, relu[2])  # they have no element in common
    kept = Step("constant", ("kept",))
    with pytest.raises(NetworkError, match=r"reads what .* wrote to other memory"):
        run(6, kept, Step("aten::copy_.default", (Ref(4), Ref(2))), kept)
    for read, *writes in ((2, relu[1]), (1, relu[2]), (4, relu[1], relu[2]), (4, relu[1], relu[4])):
        with pytest.raises(NetworkError, match=r"reads what .* wrote to other memory"):
            run(read, *writes)
