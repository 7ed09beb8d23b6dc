"""The training loop on the real sample: every kind of recipe learns, and goes on exactly where it was left."""

from dataclasses import replace

import pytest
import torch

from model import Slim
from torchbudget.data.mnist import MNIST_SAMPLE
from torchbudget.data.split import split_train_val
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Entry
from utils.augmentations import Affine, Cutout
from utils.recipe import EMA, SWA, Finish, Focus, Mix, Recipe
from utils.steps import SGD, Adam, Constant, Cosine, Lookahead, OneCycle, ReduceOnPlateau
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
    "focused, smoothed": replace(
        RECIPE, epochs=3, focus=Focus(share=0.3, noise=1.0), label_smoothing=0.05, average=None
    ),
    "plain fp32": replace(RECIPE, amp="off", channels_last=False, average=None, val_images=0),
}


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
    first, second = whole.final_network().state_dict(), resumed.final_network().state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


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
