"""Networks of images that are not MNIST's: colour, another number of classes, not square."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from untrained import inspect, observe_runs

from torchbudget.data import custom
from torchbudget.data.images import ImageSpec
from torchbudget.declare.budget import (
    BatchNorm,
    Budget,
    Dropout,
    GlobalAveragePooling,
    NoDenseOnMap,
)
from torchbudget.declare.entry import Entry
from torchbudget.gates import judge
from torchbudget.network.layers import MAX_ELEMENTS, Probe, Span, change_lines
from torchbudget.report.verdict import Status

IMAGES = (ImageSpec((3, 32, 32), 7), ImageSpec((1, 20, 36), 3))
REQUIRED = (BatchNorm(), Dropout(), GlobalAveragePooling(), NoDenseOnMap())


class Net(nn.Module):
    """Two convolutions, everything that a budget can require."""

    def __init__(self, image: ImageSpec) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(image.shape[0], 4, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(4)
        self.conv2 = nn.Conv2d(4, 6, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(6)
        self.drop = nn.Dropout(0.1)
        self.dense = nn.Linear(6, image.num_classes)

    def features(self, x):
        x = F.max_pool2d(F.relu(self.norm1(self.conv1(x))), 2)
        return self.drop(F.relu(self.norm2(self.conv2(x))))

    def forward(self, x):
        return self.dense(self.features(x).mean((2, 3)))


@pytest.fixture(params=IMAGES, ids=ImageSpec.describe)
def image(request) -> ImageSpec:
    return request.param


def judged(gate, image, make, **limits):
    budget = Budget(
        **{"max_params": 1_000, "max_epochs": 2, "max_misses": 1, "requires": REQUIRED} | limits
    )
    entry = Entry(name="net", network=make, data=custom("mine", lambda: None, image), budget=budget)
    return judge(gate, entry, observe_runs(entry))


@pytest.mark.parametrize("gate", ["params", "structure", "cost"])
def test_an_honest_network_passes(gate, image):
    assert judged(gate, image, lambda: Net(image)).status == Status.PASS


def test_the_cost_is_that_of_a_sum_by_hand(image):
    channels, height, width = image.shape
    pooled = (height // 2) * (width // 2)
    inspection = inspect(lambda: Net(image), image)
    by_hand = height * width * channels * 4 * 9 + pooled * 4 * 6 * 9 + 6 * image.num_classes
    assert inspection.multiply_adds == by_hand
    assert inspection.activation_bytes == 4 * 2 * 4 * height * width
    assert inspection.receptive_field == 8  # 3 + 1 from the pooling + 2 * 2
    assert f"8 of {min(height, width)} pixels" in judged("cost", image, lambda: Net(image)).observed


def test_the_table_sees_rows_and_columns(image):
    rows = inspect(lambda: Net(image), image).layers
    assert rows[0].shape == (4, *image.shape[1:])
    assert rows[-1].shape == (image.num_classes,)
    assert rows[-1].receptive_field == min(image.shape[1:])


def test_each_line_of_an_image_is_changed_once(image):
    one, other = torch.zeros(image.shape), torch.ones(image.shape)
    for dim in (1, 2):
        lines = image.shape[dim]
        runs = [change_lines(one, other, dim, first, 3) for first in range(0, lines, 3)]
        changed = torch.cat(runs)
        assert torch.equal(changed.amax(0), other)
        assert changed[:lines].sum((1, 2, 3)).tolist() == [other.numel() / lines] * lines
        assert not changed[lines:].any()


@pytest.mark.parametrize("lines_together", [1, 3, 8])
def test_a_span_is_from_the_first_line_to_the_last_whatever_runs_together(lines_together):
    touched = torch.zeros(8, 2, 2, 2, dtype=torch.bool)
    touched[2:5, :, 0, 0] = True
    touched[[0, 5], 1, 1, 1] = True
    span = Span()
    assert span.widest == 0
    for first in range(0, 8, lines_together):
        span.add(touched[first : first + lines_together], first)
    assert span.widest == 6


def test_lines_of_large_images_run_one_after_the_other():
    side = 200
    inspection = inspect(lambda: nn.Conv2d(1, 4, (5, 7), padding=3), ImageSpec((1, side, side), 10))
    assert 4 * side**3 > MAX_ELEMENTS
    probe = Probe(inspection.network, inspection.eval_trace)
    assert [probe.receptive_fields[node] for node in inspection.eval_trace.path] == [5]


class RowByRow(Net):
    """Its images lie row by row: the first dimension of a value is their height."""

    def forward(self, x):
        return super().forward(x.permute(2, 0, 1, 3).sigmoid().permute(1, 2, 0, 3))


def test_what_is_no_batch_of_images_has_no_receptive_field(image):
    by_operation = {row.operation: row for row in inspect(lambda: RowByRow(image), image).layers}
    assert by_operation["sigmoid"].shape[1:] == image.shape[::2]
    assert by_operation["sigmoid"].receptive_field is None
    assert by_operation["relu"].receptive_field == 8


TABLE = torch.ones(1_000)


def broken(image, **methods):
    return lambda: type("Broken", (Net,), methods)(image)


CHEATS = {
    "another number of classes": (
        "structure",
        {"forward": lambda self, x: F.pad(Net.forward(self, x), (0, 1))},
        "a logit for each class",
    ),
    "softmax": (
        "structure",
        {"forward": lambda self, x: Net.forward(self, x).softmax(1)},
        "return the logits",
    ),
    "a maximum in the place of the average": (
        "structure",
        {"forward": lambda self, x: self.dense(self.features(x).amax((2, 3)))},
        "no operation on the path averages",
    ),
    "no norm in the first layer": (
        "structure",
        {"features": lambda self, x: self.drop(self.norm2(self.conv2(F.relu(self.conv1(x)))))},
        "the conv2d of conv1 to (4, ",
    ),
    "a table outside the parameters": (
        "params",
        {"forward": lambda self, x: Net.forward(self, x) + TABLE.sum()},
        "1,000 numbers outside the parameters",
    ),
}


@pytest.mark.parametrize("name", CHEATS)
def test_a_cheat_fails_as_on_any_shape(name, image):
    gate, methods, reason = CHEATS[name]
    verdict = judged(gate, image, broken(image, **methods))
    assert verdict.status == Status.FAIL
    assert reason in verdict.observed


def test_a_dense_layer_on_the_map_is_found_by_its_module(image):
    _, height, width = image.shape

    class Flattened(Net):
        def __init__(self):
            super().__init__(image)
            self.wide = nn.Linear(6 * (height // 2) * (width // 2), image.num_classes)

        def forward(self, x):
            return self.wide(self.features(x).flatten(1))

    verdict = judged("structure", image, Flattened)
    assert verdict.status == Status.FAIL
    assert f"the linear of wide to ({image.num_classes},) " in verdict.observed


def test_a_limit_of_pixels_seen_fails_where_the_network_sees_fewer(image):
    assert judged("cost", image, lambda: Net(image), min_receptive_field=8).status == Status.PASS
    assert judged("cost", image, lambda: Net(image), min_receptive_field=9).status == Status.FAIL
