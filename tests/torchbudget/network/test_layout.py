"""What reads memory as it lies computes the same wherever it is trained, recorded and judged."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchbudget.data.images import ImageSpec
from torchbudget.evidence.measure import infer
from torchbudget.network.capture import capture
from torchbudget.network.captured import CapturedModule
from torchbudget.network.soundness import lay_out

IMAGE = ImageSpec(shape=(3, 12, 10), num_classes=7, mean=(0.5,) * 3, std=(0.2,) * 3)


class Flattened(nn.Module):
    """A convolution, and a dense layer on what `flatten` makes of its maps, (N, 320)."""

    def __init__(self, flatten):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.dense = nn.Linear(320, 7)
        self.flatten = flatten

    def forward(self, x):
        return self.dense(self.flatten(F.relu(self.conv(x))))


def write_to_pixels(maps):
    """Halve a copy of the maps; where pixels lie in memory one after the other, it is a view."""
    pixels = maps.permute(0, 2, 3, 1).reshape(len(maps), -1)
    return pixels.mul_(0.5) + maps.flatten(1)


FAST = {
    "flatten": lambda maps: maps.flatten(1),
    "a view of each channel": lambda maps: maps.view(len(maps), 4, -1).flatten(1),
    "in place": lambda maps: maps.mul_(2).add_(1).flatten(1),
}
SLOW = {
    "a view": lambda maps: maps.view(maps.size(0), -1),
    "as strided": lambda maps: maps.as_strided((len(maps), 320), (320, 1)),
    "numbers as bytes": lambda maps: maps.view(torch.uint8).float().flatten(1)[:, :320],
}


@pytest.mark.parametrize("name", [*FAST, *SLOW, "written to pixels"])
def test_a_captured_network_computes_what_its_graph_does(name):
    flatten = (FAST | SLOW | {"written to pixels": write_to_pixels})[name]
    network = capture(lambda: Flattened(flatten), IMAGE)
    images = torch.randn(5, *IMAGE.shape)
    expected = network.evaluating.run(images.clone(), network.state, network.constants)
    for layout in (torch.contiguous_format, torch.channels_last):
        logits = CapturedModule(network)(images.contiguous(memory_format=layout))
        assert torch.allclose(logits, expected, 1e-4, 1e-4)


@pytest.mark.parametrize("name", [*FAST, *SLOW])
def test_a_network_has_channels_last_only_where_it_computes_the_same(name):
    torch.manual_seed(0)
    network = Flattened((FAST | SLOW)[name])
    pixels = torch.randint(0, 256, (5, *IMAGE.shape), dtype=torch.uint8)
    expected = infer(network, pixels, IMAGE)
    layout = lay_out(network, IMAGE)
    assert layout is (torch.channels_last if name in FAST else torch.contiguous_format)
    assert network.conv.weight.is_contiguous(memory_format=layout)
    assert torch.allclose(infer(network, pixels, IMAGE), expected, 1e-4, 1e-4)
    assert network.training
