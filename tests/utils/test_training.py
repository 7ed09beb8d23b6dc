"""The training loop on the real sample: every kind of recipe learns, and resumes exactly."""

import os
import re
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import ClassVar

import pytest
import torch
from torch import nn

from model import Slim
from torchbudget.data.images import Images, ImageSpec, as_floats
from torchbudget.data.mnist import MNIST_SAMPLE
from torchbudget.data.split import split_train_val
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Entry
from torchbudget.errors import NetworkError
from torchbudget.evidence.measure import measure
from utils.augmentations import (
    Affine,
    Cutout,
    Darken,
    Elastic,
    Erase,
    Jitter,
    PadCrop,
    Squeeze,
    Swell,
)
from utils.recipe import (
    EMA,
    SGD,
    SWA,
    Adam,
    Constant,
    Cosine,
    Finish,
    Focus,
    Freeze,
    Lookahead,
    Mix,
    OneCycle,
    Recipe,
    ReduceOnPlateau,
)
from utils.sampler import Sampler
from utils.training import Training

RECIPE = Recipe(
    epochs=2,
    batch_size=64,
    optimizer=SGD(weight_decay=5e-4, decay_all=False),
    schedule=OneCycle(max_lr=0.05),
    augment=(Affine(rotate=10, translate=0.1), Cutout(p=0.3)),
    average=EMA(decay=0.99),
    val_images=500,
)
ENTRY = Entry(
    name="tiny",
    network=Slim,
    data=MNIST_SAMPLE,
    recipe=RECIPE,
    budget=Budget(max_params=20_000, max_epochs=10, max_misses=600),
)


def make(recipe, sample, seed=0):
    return Training(
        replace(ENTRY, recipe=recipe),
        seed,
        *split_train_val(sample, recipe.val_images),
        torch.device("cpu"),
    )


RECIPES = {
    "adam, plateau": replace(
        RECIPE,
        optimizer=Adam(),
        schedule=ReduceOnPlateau(lr=1e-3, patience=0),
        average=None,
        augment=(),
    ),
    "swa, constant": replace(
        RECIPE, epochs=3, schedule=Constant(lr=0.02), average=SWA(start_epoch=1, lr=0.01)
    ),
    "cosine, clipped, smoothed": replace(
        RECIPE,
        optimizer=Adam(decoupled=True, weight_decay=0.01),
        schedule=Cosine(lr=2e-3),
        clip_norm=1.0,
        label_smoothing=0.1,
        average=None,
    ),
    "lookahead, mixed, two phases": replace(
        RECIPE,
        epochs=3,
        lookahead=Lookahead(k=3),
        mix=Mix(p=0.5),
        finish=Finish(epochs=1, augment=(Affine(rotate=2),)),
        average=SWA(start_epoch=1, lr=0.01, statistics_batch=512),
    ),
    "focused, smoothed, frozen": replace(
        RECIPE,
        epochs=3,
        focus=Focus(share=0.3, noise=1.0),
        freeze=Freeze(module="stem", after=0.5),
        label_smoothing=0.05,
        average=None,
    ),
    "plain fp32": replace(RECIPE, amp="off", channels_last=False, average=None, val_images=0),
}


class Clocked(Slim):
    """Adds the seconds of its making, and of its passes in train and in eval mode, to `spent`."""

    spent: ClassVar[Counter] = Counter()

    def __init__(self):
        began = time.perf_counter()
        super().__init__()
        self.spent["make"] += time.perf_counter() - began

    def forward(self, x):
        began = time.perf_counter()
        logits = super().forward(x)
        self.spent["train" if self.training else "eval"] += time.perf_counter() - began
        return logits


def test_the_clock_runs_from_before_the_network_is_made_until_its_weights_are_final(sample):
    spent = Clocked.spent
    began = time.perf_counter()
    train, val = split_train_val(sample, 500)
    entry = replace(ENTRY, network=Clocked)
    training = Training(entry, 0, train, val, torch.device("cpu"))
    assert training.seconds > spent["make"] > 0
    checked = Counter(spent)
    training.epoch()
    before_the_last = training.seconds
    assert before_the_last > spent["make"] + (spent - checked)["train"]
    averaged = Counter(spent)
    training.final_network()
    statistics = (spent - averaged)["train"]
    assert training.seconds - before_the_last > statistics > 0
    val_seconds = (spent - checked)["eval"]
    assert 0 < val_seconds < time.perf_counter() - began - training.seconds


@pytest.mark.parametrize("name", RECIPES)
def test_every_kind_of_recipe_trains_and_resumes_exactly(name, tmp_path, sample):
    recipe = RECIPES[name]
    whole = make(recipe, sample)
    for _ in range(recipe.epochs - 1):
        whole.epoch()
    torch.save(whole.state_dict(), tmp_path / "state")
    whole.epoch()
    resumed = make(recipe, sample, seed=7)
    resumed.load_state_dict(torch.load(tmp_path / "state", weights_only=True))
    resumed.epoch()
    strip = [
        [(row.train_loss, row.val_loss, row.val_misses, row.lr) for row in each.history]
        for each in (whole, resumed)
    ]
    assert strip[0] == strip[1] and strip[0][-1][0] < strip[0][0][0]
    assert whole.train_misses == resumed.train_misses
    mixed = [misses is None for misses in whole.train_misses]
    assert mixed == [bool(recipe.mix) and epoch < 2 for epoch in range(recipe.epochs)]
    first, second = whole.final_network().state_dict(), resumed.final_network().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_the_wrong_answers_of_an_epoch_are_counted(sample):
    """Of one batch without dropout, they are those of the network as it is."""
    recipe = replace(RECIPE, augment=(), schedule=Constant(lr=1e-3), average=None, amp="off")
    recipe = replace(recipe, optimizer=SGD(), batch_size=100)
    training = make(recipe, sample)
    for module in training.network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0
    training.train = training.train[torch.arange(0, 3_500, 35)]
    training.sampler = Sampler(None, 100, 100, 1, training.generator)
    training.steps_per_epoch = 1
    images = training.prepare(as_floats(training.train.pixels))
    training.network.train()
    wrong = training.network(images).argmax(1) != training.train.labels
    training.epoch()
    assert training.train_misses == [int(wrong.sum())] and 0 < wrong.sum() < 100


def test_the_progress_bar_keeps_its_figures_at_80_columns(sample, monkeypatch):
    termios = pytest.importorskip("termios")
    main, terminal = os.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    training = make(replace(RECIPE, epochs=18), sample)
    training.train = training.train[torch.arange(640)]
    training.sampler = Sampler(None, 640, 64, 10, training.generator)
    training.steps_per_epoch = 10
    with open(terminal, "w", encoding="utf-8") as screen:
        monkeypatch.setattr(sys, "stderr", screen)
        training.epoch()
        written = os.read(main, 4_000).decode()
    os.close(main)
    shown = [line for line in written.split("\r") if "loss" in line]
    assert shown and max(map(len, shown)) <= 80
    figures = r"epoch 1/18 .+\|.{3,}\| \d\d:\d\d, loss \S+ lr \S+ [\d,]+ images/s \d+ ms/batch *"
    assert all(re.fullmatch(figures, line) for line in shown)


def test_the_last_epochs_have_the_augmentation_of_the_second_phase(sample):
    light, strong = (Affine(rotate=1),), (Affine(rotate=20),)
    training = make(
        replace(
            RECIPE, epochs=3, augment=strong, mix=Mix(p=1), finish=Finish(epochs=2, augment=light)
        ),
        sample,
    )
    phases = []
    for epoch in range(3):
        training.history = [None] * epoch
        phases.append((training.phase.augment, training.phase.mix))
    assert phases == [(strong, Mix(p=1)), (light, None), (light, None)]


def test_lookahead_steps_back_to_half_the_way_after_every_k_steps(sample):
    """Zhang et al. 2019: with k=1 each step is alpha of what the optimiser inside would do."""
    images, labels = torch.rand(8, 1, 28, 28), torch.arange(8)
    plain, ahead = (
        make(replace(RECIPE, lookahead=each, average=None, amp="off"), sample)
        for each in (None, Lookahead(k=1, alpha=0.25))
    )
    before = [parameter.detach().clone() for parameter in plain.network.parameters()]
    for training in (plain, ahead):
        torch.manual_seed(0)
        training.network.train()
        training.step(torch.arange(8), images, labels)
    for start, whole, part in zip(
        before, plain.network.parameters(), ahead.network.parameters(), strict=True
    ):
        torch.testing.assert_close(part - start, (whole - start) * 0.25, atol=1e-7, rtol=1e-3)


class Colours(nn.Module):
    """A small network of images of `channels` channels."""

    def __init__(self, channels: int = 3, num_classes: int = 7) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1)
        )
        self.classify = nn.Linear(8, num_classes)

    def forward(self, x):
        return self.classify(self.features(x).mean((2, 3)))


COLOURS = ImageSpec(shape=(3, 20, 24), num_classes=7, mean=(0.2, 0.4, 0.5), std=(0.3, 0.2, 0.1))


def make_colours(num_images: int) -> Images:
    """Images of seven classes, each with a colour of its own under noise."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(num_images) % 7
    tones = torch.randint(0, 200, (7, 3, 1, 1), generator=generator)
    noise = torch.randint(0, 56, (num_images, 3, 20, 24), generator=generator)
    return Images((tones[labels] + noise).to(torch.uint8), labels, COLOURS)


def test_colour_images_of_seven_classes_train_with_every_augmentation_and_mixing():
    recipe = replace(
        RECIPE,
        epochs=4,
        augment=(
            Affine(rotate=5),
            Elastic(),
            PadCrop(padding=1),
            Jitter(brightness=0.1),
            Cutout(size=4, p=0.2),
            Erase(p=0.2),
            Swell(per_class=1),
            Darken(per_class=1),
            Squeeze(per_class=1),
        ),
        mix=Mix(p=0.3),
        focus=Focus(),
        val_images=0,
    )
    images = make_colours(700)
    entry = replace(ENTRY, network=Colours, recipe=recipe)
    training = Training(entry, 0, images, images[torch.arange(0)], torch.device("cpu"))
    _, batch, labels = next(training.batches())
    assert batch.shape == (64, 3, 20, 24) and len(labels) == 64
    for _ in range(recipe.epochs):
        training.epoch()
    logits = training.final_network()(training.prepare(as_floats(images.pixels)))
    assert (logits.argmax(1) == images.labels).float().mean() > 0.5


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (partial(Colours, num_classes=11), r"gives \(2, 11\) logits, \(2, 7\) are needed"),
        (partial(Colours, channels=1), r"features\.0: .*expected input\[2, 3, 20, 24\]"),
    ],
)
def test_a_network_that_does_not_fit_the_images_is_named_before_the_first_step(network, message):
    images = make_colours(70)
    with pytest.raises(NetworkError, match=message):
        Training(replace(ENTRY, network=network), 0, images, images, torch.device("cpu"))


class LeNet(nn.Module):
    """It flattens its maps by `view`, as many do, which maps with their channels last refuse."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 4, 5), nn.ReLU(), nn.MaxPool2d(2))
        self.dense = nn.Linear(320, 7)

    def forward(self, x):
        x = self.features(x)
        return self.dense(x.view(x.size(0), -1))


def test_a_network_that_flattens_its_maps_by_a_view_trains():
    images = make_colours(140)
    recipe = replace(RECIPE, epochs=1, augment=(), average=None, val_images=0)
    entry = replace(ENTRY, network=LeNet, recipe=recipe)
    training = Training(entry, 0, images, images[torch.arange(0)], torch.device("cpu"))
    training.epoch()
    assert measure(training.final_network(), images).total == 140
