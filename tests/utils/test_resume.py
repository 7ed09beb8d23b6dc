"""Going on from a checkpoint with another recipe, on the real sample."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny_zoo import Tiny

from torchbudget.data.images import Dataset
from torchbudget.data.mnist import MNIST_SAMPLE
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Entry
from torchbudget.errors import CheckpointError
from torchbudget.evidence.measure import on_threads
from torchbudget.evidence.results import evidence_of
from train import run
from utils.augmentations import Affine
from utils.recipe import SGD, Constant, OneCycle, Recipe
from utils.runs import RunPaths

RECIPE = Recipe(
    epochs=1, batch_size=20, optimizer=SGD(), schedule=OneCycle(max_lr=0.05), val_images=100
)
ENTRY = Entry(
    name="tiny",
    network=Tiny,
    data=MNIST_SAMPLE,
    recipe=RECIPE,
    budget=Budget(max_params=20_000, max_epochs=10, max_misses=999),
)


@pytest.fixture
def places(tmp_path: Path) -> RunPaths:
    return RunPaths(
        results=tmp_path / "results.json",
        weights=tmp_path / "weights",
        output=tmp_path / "results",
        checkpoints=tmp_path / "checkpoints",
    )


@pytest.fixture(scope="module")
def few(sample) -> Dataset:
    """400 of the sample's training images, 20 of its test images: few to draw."""
    train = sample.train[torch.arange(0, 4_000, 10)]
    return Dataset("mnist_sample", train, sample.test[torch.arange(0, 1_000, 50)])


def with_recipe(**changes) -> Entry:
    return replace(ENTRY, recipe=replace(RECIPE, **changes))


def test_a_run_goes_on_at_another_learning_rate_and_is_no_evidence(places, few, capsys):
    run(ENTRY, 0, few, paths=places)
    longer = with_recipe(epochs=2, schedule=Constant(lr=1e-3), augment=(Affine(rotate=5),))
    record = run(longer, 0, few, paths=places, overrides=["schedule.lr=0.001"], resume=True)
    assert "resumed after epoch 1 of 2, at learning rate 0.001" in capsys.readouterr().out
    assert (
        record.overrides == ["schedule.lr=0.001", "resumed_after_epoch=1"]
        and evidence_of(longer, [record]) == {}
    )
    assert [row.lr for row in record.history][1] == 1e-3 and record.steps == 2 * 15


def test_the_schedule_goes_on_as_if_it_had_run_from_the_start(places, few):
    run(ENTRY, 0, few, paths=places)
    straight = run(
        with_recipe(epochs=2),
        0,
        few,
        paths=replace(places, checkpoints=places.checkpoints / "straight"),
    )
    resumed = run(with_recipe(epochs=2), 0, few, paths=places, resume=True)
    assert resumed.history[1].lr == straight.history[1].lr and resumed.overrides == [
        "resumed_after_epoch=1"
    ]


def test_a_run_goes_on_with_the_threads_that_it_began_with(places, few):
    with on_threads(1):
        begun = run(ENTRY, 0, few, paths=places)
    with on_threads(2):
        resumed = run(with_recipe(epochs=2), 0, few, paths=places, resume=True)
        assert torch.get_num_threads() == 2
    assert begun.hardware.threads == resumed.hardware.threads == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"batch_size": 10}, "batch_size"), ({"optimizer": SGD(momentum=0.5)}, "optimizer")],
)
def test_what_the_checkpoint_holds_cannot_be_changed(changes, reason, places, few):
    run(ENTRY, 0, few, paths=places)
    with pytest.raises(
        CheckpointError,
        match=rf"was trained with another recipe \({reason}\); start without --resume",
    ):
        run(with_recipe(epochs=2, **changes), 0, few, paths=places, resume=True)


def test_fewer_epochs_than_are_done_cannot_be_resumed(places, few):
    run(with_recipe(epochs=2), 0, few, paths=places)
    with pytest.raises(CheckpointError, match="holds 2 epochs, the recipe has 1"):
        run(ENTRY, 0, few, paths=places, resume=True)


def test_a_run_of_two_recipes_is_no_evidence_however_often_it_is_resumed(places, few):
    """The recipe of the zoo itself changed in between: nothing on the command line tells."""
    run(ENTRY, 0, few, paths=places)
    changed = with_recipe(epochs=3, schedule=Constant(lr=1e-3))
    run(changed, 0, few, paths=places, resume=True)
    for checkpoint in sorted(places.checkpoints.rglob("epoch-*.pt"))[-1:]:
        checkpoint.unlink()
    record = run(changed, 0, few, paths=places, resume=True)
    assert record.overrides == ["resumed_after_epoch=1"] and evidence_of(changed, [record]) == {}
    assert (places.local.weights / f"{record.stem}.safetensors").exists()
