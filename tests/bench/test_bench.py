"""The bench on the real sample: runs take turns, the figures add up."""

import itertools
import random
from collections import Counter
from dataclasses import replace

import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.transforms.functional import to_tensor

from bench import accuracy, breakdown, exported, growth, inference, point, startup, stopwatch
from bench.choice import Choice
from bench.published import Pictures, Published, RandomCutout, make_transforms
from model import Slim
from torchbudget.data.images import Images, as_floats
from torchbudget.declare.entry import Ensemble
from torchbudget.network.structure import count_params
from utils.recipe import Freeze
from utils.training import Training


@pytest.fixture
def few(sample) -> Images:
    return sample.train[torch.arange(300)]


# --- turns, medians, ratios -----------------------------------------------------------------------


def test_both_sides_run_once_a_round():
    said = []
    found = stopwatch.take_turns(
        {"slow": lambda: said.append("slow") or 4.0, "fast": lambda: said.append("fast") or 2.0}, 3
    )
    assert said == ["slow", "fast"] * 3
    assert found == {"slow": [4.0] * 3, "fast": [2.0] * 3}


def test_a_ratio_is_taken_pair_by_pair():
    found = stopwatch.ratio([10.0, 30.0, 20.0], [5.0, 10.0, 2.0])
    assert found == {"median": 3.0, "lowest": 2.0, "highest": 10.0, "all": [2.0, 3.0, 10.0]}


@pytest.mark.parametrize("seeds", [10, 1, 3, 2])
@pytest.mark.parametrize("epochs", [20, 1, 2])
@pytest.mark.parametrize("dashes", [30, 3])
def test_the_race_takes_every_turn_once_and_ours_starts_cold(seeds, epochs, dashes):
    counts = {"ours": seeds, "published": epochs, "dash": dashes}
    turns = accuracy.order_turns(counts)
    assert Counter(turns) == counts
    assert turns[0] == "ours"
    for other in ("published", "dash"):
        gaps = "".join(turn[0] for turn in turns if turn in ("ours", other)).split("o")[1:]
        assert max(map(len, gaps)) - min(map(len, gaps)) <= 1


# --- the published pipeline -----------------------------------------------------------------------


def test_the_published_pictures_are_the_data_sets(few):
    pixels, label = Pictures(few, to_tensor)[7]
    assert torch.equal(pixels, as_floats(few.pixels[7:8])[0])
    assert label == int(few.labels[7])


def test_cutout_blackens_one_whole_square_or_nothing():
    white = Image.new("L", (28, 28), 255)
    random.seed(0)
    black = [(to_tensor(RandomCutout(size=8, p=0.5)(white)) == 0).nonzero() for _ in range(40)]
    assert {len(each) for each in black} == {0, 64}
    assert all((each.amax(0) - each.amin(0)).tolist() == [0, 7, 7] for each in black if len(each))


def test_published_augmentation_changes_images_and_keeps_their_form(few):
    torch.manual_seed(0)
    pictures = Pictures(few, make_transforms())
    first, second = (torch.stack([pictures[index][0] for index in range(20)]) for _ in range(2))
    assert first.shape == (20, 1, 28, 28)
    assert not torch.equal(first, second)
    plain = few.image.normalise(as_floats(few.pixels[:20]))
    assert abs((first.mean() - plain.mean()).item()) < 0.2


def test_the_published_run_goes_on_exactly_whatever_ran_between(few):
    whole = Published(few, epochs=2)
    whole.epoch(), whole.epoch()
    half, rest = Published(few, epochs=2), Published(few, epochs=2, seed=5)
    half.epoch()
    torch.manual_seed(99)
    random.seed(99)
    rest.load_state_dict(half.state_dict())
    rest.epoch()
    assert all(
        torch.equal(a, b)
        for a, b in zip(
            whole.network.state_dict().values(), rest.network.state_dict().values(), strict=True
        )
    )


# --- parts, forms, imports ------------------------------------------------------------------------


def test_the_parts_add_up_and_a_watched_epoch_is_the_same_epoch(small_entry, few):
    watched = Training(small_entry, 0, few, few[torch.arange(0)], torch.device("cpu"))
    seconds = breakdown.time_parts(watched)
    plain = Training(small_entry, 0, few, few[torch.arange(0)], torch.device("cpu"))
    plain.epoch()
    assert set(seconds) == {*breakdown.PARTS, "all"}
    assert all(value > 0 for value in seconds.values())
    assert sum(seconds[part] for part in breakdown.PARTS) == pytest.approx(seconds["all"])
    assert all(
        torch.equal(a, b)
        for a, b in zip(watched.network.parameters(), plain.network.parameters(), strict=True)
    )


def test_backward_costs_at_most_two_forwards_and_all_is_counted(small_entry, few):
    training = Training(small_entry, 0, few, few[torch.arange(0)], torch.device("cpu"))
    forward = 2 * 2_551_056 * len(few)
    operations, moved = breakdown.count(training)
    assert 2.5 * forward < operations <= 3 * forward
    assert moved > 0


def test_each_epoch_is_counted_by_itself_as_one_with_a_frozen_part_has_fewer_operations(
    small_entry, sample, few
):
    freeze = Freeze(module="stem", after=0.5)
    entry = replace(small_entry, recipe=replace(small_entry.recipe, epochs=2, freeze=freeze))
    learning, frozen = breakdown.count_epochs(entry, replace(sample, train=few), 2)
    assert frozen[0] < learning[0] and frozen[1] < learning[1]


def test_the_bytes_of_what_operations_take_and_give_are_counted_and_a_view_has_none():
    x = torch.randn(10, 100, requires_grad=True)
    with breakdown.BytesMode() as counter:
        y = x.view(1_000) * 2.0
    assert counter.total == 2 * 4_000
    with breakdown.BytesMode() as counter:
        y.backward(torch.ones(1_000))
    assert counter.total >= 2 * 4_000


def test_each_network_of_the_zoo_has_a_row_for_the_entries_that_share_it():
    rows = inference.choose_entries(Choice())
    entries = [entry for entries in rows.values() for entry in entries]
    assert sorted(entry.name for entry in entries) == sorted(
        entry.name for entry in Choice().zoo.values() if not isinstance(entry, Ensemble)
    )
    assert all(len({entry.network for entry in entries}) == 1 for entries in rows.values())


@pytest.mark.parametrize("make", [exported.make_exported, exported.make_onnx])
@pytest.mark.parametrize("batch", [1, 50])
def test_an_exported_network_gives_the_same_digits(make, batch, sample, tmp_path):
    torch.manual_seed(0)
    network, images = Slim().eval(), sample.image.normalise(as_floats(sample.test.pixels[:50]))
    with torch.no_grad():
        form, expected = make(network, images[:batch].clone(), tmp_path), network(images).argmax(1)
        assert inference.count_differing(form, images, batch, expected) == 0
        assert inference.count_differing(form, images, batch, expected.add(1)) == 50


def test_a_form_that_cannot_be_made_says_why(monkeypatch, tmp_path):
    class Branching(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    monkeypatch.delitem(exported.FORMS, "ONNX Runtime")
    forms, reasons = exported.make_forms(Branching(), torch.ones(1, 1, 2, 2), tmp_path)
    assert list(forms) == ["eager"]
    assert set(reasons) == {"torch.export", "AOTInductor"}
    assert all("\n" not in reason and len(reason) > 20 for reason in reasons.values())


def test_imports_are_summed_by_package():
    log = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       100 |        100 |   torch._C\n"
        "import time:   2000000 |    2000100 | torch\n"
        "import time: 5 | 5 | json\n"
        "something else\n"
    )
    assert startup.import_seconds(log) == {"torch": 2.0001, "json": 5e-6}


def test_each_width_has_about_twice_the_parameters_of_the_one_before():
    params = [count_params(point.Growing(width)) for width in growth.WIDTHS]
    assert all(1.8 < after / before < 2.2 for before, after in itertools.pairwise(params))
