"""What the elements of a value see of a map is found by one run a line, whatever is asked."""

from collections import Counter

import torch
from torch import fx, nn

from torchbudget.data.images import ImageSpec
from torchbudget.network.capture import capture
from torchbudget.network.dependence import Gradients
from torchbudget.network.experiment import Experiment, Values
from torchbudget.network.maps import Maps
from torchbudget.network.sight import NUM_ALIKE, Folding, Sight, Sighting, spread
from torchbudget.network.trace import Trace

IMAGE = ImageSpec(shape=(1, 8, 8), num_classes=10)
DEPTH = 4


def lines_of(pixels: torch.Tensor, num_lines: int) -> list[torch.Tensor]:
    """Which elements hold a pixel of each row of an image of 8 columns; `pixels` are numbered."""
    return [(pixels // 8 == line).flatten() for line in range(num_lines)]


def look(what: Sighting | Folding, pixels: torch.Tensor) -> None:
    for numbers in (pixels, pixels % 8 * 8 + pixels // 8):  # rows, then columns
        seen = lines_of(numbers, 8)
        for line in spread(8):
            if not what.is_done:
                what.add(seen[line])
        what.end(8)


PIXELS = torch.arange(64)


def test_a_map_is_not_folded_and_its_elements_see_a_row_and_a_column():
    folding, sighting = Folding(torch.Size((1, 1, 8, 8))), Sighting()
    look(folding, PIXELS)
    look(sighting, PIXELS)
    assert not folding.is_folded
    assert sighting.sight == Sight(most=2, whole=False, apart=True)


def test_a_flat_map_in_the_channels_of_pixels_that_are_alike_is_folded():
    folding = Folding(torch.Size((1, 64, 1, 2)))
    look(folding, PIXELS.repeat_interleave(2))
    assert folding.is_folded


def test_what_sees_every_line_everywhere_is_not_folded():
    folding, sighting = Folding(torch.Size((1, 4, 2, 2))), Sighting()
    for what in (folding, sighting):
        for _ in range(2):
            for _ in range(NUM_ALIKE):
                assert not what.is_done
                what.add(torch.ones(16, dtype=torch.bool))
            assert what.is_done
            what.end(8)
    assert not folding.is_folded
    assert sighting.sight == Sight(most=16, whole=True, apart=False)


def test_lines_that_some_see_only_are_all_looked_at():
    sighting = Sighting()
    for _ in range(2):
        for line in spread(8):
            assert not sighting.is_done
            sighting.add(torch.arange(16) == line)
        sighting.end(8)
    assert sighting.sight == Sight(most=2, whole=False, apart=True)
    assert [sorted(spread(num_lines)) for num_lines in (1, 2, 5)] == [[0], [0, 1], list(range(5))]


def test_lines_that_nobody_sees_are_no_lines_that_all_see():
    sighting = Sighting()
    for _ in range(2):
        for line in spread(8):
            assert not sighting.is_done
            sighting.add(torch.full((16,), line in (3, 4)))
        sighting.end(8)
    assert sighting.sight == Sight(most=4, whole=False, apart=False)


def test_what_sees_nothing_is_not_folded():
    folding = Folding(torch.Size((1, 4, 2, 2)))
    for _ in range(2):
        for _ in range(8):
            folding.add(torch.zeros(16, dtype=torch.bool))
        folding.end(8)
    assert not folding.is_folded


class Block(nn.Module):
    """Attention between channels, then a convolution of the tokens as a map, as XCiT has."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6))

    def forward(self, x: torch.Tensor) -> torch.Tensor:  # (N, T, C)
        x = x + x @ (x.transpose(1, 2) @ x).softmax(2)
        maps = x.transpose(1, 2).reshape(-1, 6, 4, 4)
        return x + self.convolve(maps).flatten(2).transpose(1, 2)


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 2, stride=2)
        self.blocks = nn.Sequential(*(Block() for _ in range(DEPTH)))
        self.classify = nn.Linear(6, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x).flatten(2).transpose(1, 2)
        return self.classify(self.blocks(x).mean(1))


class Counting(Experiment):
    """Counts how often each map's lines are changed."""

    def __init__(self, traced: Trace) -> None:
        self.counts: Counter[fx.Node] = Counter()
        super().__init__(traced)

    def rerun(self, changed: Values, *args, **kwargs) -> tuple[Values, set[fx.Node]]:
        self.counts.update(changed.keys())
        return super().rerun(changed, *args, **kwargs)


def test_a_line_of_a_map_changes_once_however_many_operations_read_it():
    traced = capture(Tokens, IMAGE).trace(training=True)
    experiment = Counting(traced)
    maps = Maps(traced, experiment, Gradients(experiment, traced.images))
    normed = [node for node in maps.nodes if "batch_norm" in node.name]
    assert len(normed) == DEPTH
    assert experiment.counts
    for node, count in experiment.counts.items():
        assert count <= sum(node.meta["shape"][2:]), node.name


class PixelAttention(nn.Module):
    """Two heads weigh the pixels of one map for each pixel of the next."""

    def __init__(self) -> None:
        super().__init__()
        self.attend = nn.Conv2d(1, 12, 2, stride=2)
        self.convolve = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.attend(x)
        query, key, value = y.flatten(2).view(len(y), 3, 2, 2, -1).unbind(1)  # (N, heads, C, P)
        weights = (query.transpose(2, 3) @ key).softmax(-1)
        z = (value @ weights.transpose(2, 3)).reshape(len(y), 4, *y.shape[2:])
        return self.convolve(z).mean((2, 3))


def test_an_attentions_weights_are_no_map_and_what_it_gives_is_convolved_to_one():
    traced = capture(PixelAttention, ImageSpec((1, 8, 8), 4)).trace(training=True)
    experiment = Experiment(traced)
    maps = Maps(traced, experiment, Gradients(experiment, traced.images)).nodes
    names = {node.name for node in traced.path}
    assert any("softmax" in name for name in names)
    assert {name for name in names if "softmax" in name or "matmul" in name}.isdisjoint(
        node.name for node in maps
    )
    assert {node for node in traced.path if "conv2d" in node.name} <= maps
