"""Kaggle's deal of MNIST: the same images, parted otherwise, and kept apart."""

from dataclasses import replace

import msgspec
import pytest
import torch
from untrained import observe_runs

from model import Slim
from torchbudget.data.images import Images
from torchbudget.data.loading import load_dataset, named
from torchbudget.data.mnist import KAGGLE_DEAL, KaggleDeal
from torchbudget.data.spec import DataSpec
from torchbudget.data.split import split_train_val
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Entry
from torchbudget.evidence.results import seal
from torchbudget.evidence.weights import save_weights
from torchbudget.gates import judge
from torchbudget.report.verdict import Status
from utils.recipe import Recipe
from utils.steps import SGD, Constant

RECIPE = Recipe(
    epochs=2, batch_size=100, optimizer=SGD(), schedule=Constant(lr=0.05), amp="off", val_images=500
)


@pytest.fixture
def kaggle_like(mnist_like) -> DataSpec:
    """Kaggle's deal of files in MNIST's form."""
    return replace(KAGGLE_DEAL, load=KaggleDeal(mnist_like))


@pytest.fixture
def deals(raw, mnist_like, kaggle_like):
    """(MNIST's deal, Kaggle's), of files in MNIST's form."""
    return tuple(load_dataset(spec, raw.parent.parent) for spec in (mnist_like, kaggle_like))


def entry_on(dataset: str) -> Entry:
    return Entry(
        name="net",
        network=Slim,
        data=named(dataset),
        recipe=RECIPE,
        budget=Budget(max_params=20_000, max_epochs=3, max_misses=2_000),
    )


def keys(*parts: Images) -> list[bytes]:
    return sorted(
        pixels.numpy().tobytes() + bytes([label])
        for part in parts
        for pixels, label in zip(part.pixels, part.labels.tolist(), strict=True)
    )


def test_the_deal_has_the_same_images_two_fifths_of_them_to_test(deals):
    mnist, kaggle = deals
    assert keys(kaggle.train, kaggle.test) == keys(mnist.train, mnist.test)
    assert (len(kaggle.train), len(kaggle.test)) == (3_000, 2_000)


def test_the_deal_is_the_same_every_time(deals, kaggle_like, raw):
    again = load_dataset(kaggle_like, raw.parent.parent)
    assert (again.train.digest, again.test.digest) == (deals[1].train.digest, deals[1].test.digest)


def test_each_deal_trains_on_test_images_of_the_other(deals):
    mnist, kaggle = deals
    for one, other in ((mnist, kaggle), (kaggle, mnist)):
        assert len(set(keys(one.train)) & set(keys(other.test))) > 300


@pytest.mark.parametrize(("trained", "judged"), [(0, 1), (1, 0)])
def test_a_network_of_one_deal_is_refused_by_the_accuracy_gate_of_the_other(
    trained, judged, deals, make_run, tmp_path
):
    """First as it is, then with its record and weights under the other deal's name."""
    own, other = deals[trained], deals[judged]
    mine = msgspec.structs.replace(make_run(entry_on("mnist_sample")), dataset=own.name)
    mine = msgspec.structs.replace(
        mine,
        digests=msgspec.structs.replace(mine.digests, train=split_train_val(own, 500)[0].digest),
    )
    entry = entry_on(other.name)
    assert (
        judge(
            "accuracy",
            entry,
            observe_runs(entry, [seal(mine)], weights=make_run.weights, dataset=other),
        ).status
        == Status.NOT_RUN
    )
    posing = seal(msgspec.structs.replace(mine, dataset=other.name))
    save_weights(make_run.weights / f"{posing.stem}.safetensors", make_run.network(entry))
    verdict = judge(
        "accuracy", entry, observe_runs(entry, [posing], weights=make_run.weights, dataset=other)
    )
    assert (
        verdict.status == Status.FAIL
        and "net, seed 0, was trained on other images" in verdict.observed
    )
    honest = msgspec.structs.replace(posing.digests, train=split_train_val(other, 500)[0].digest)
    passing = seal(msgspec.structs.replace(posing, digests=honest))
    assert (
        judge(
            "accuracy",
            entry,
            observe_runs(entry, [passing], weights=make_run.weights, dataset=other),
        ).status
        == Status.PASS
    )


def test_both_deals_are_of_one_split_each(deals):
    for deal in deals:
        train, val = split_train_val(deal, 500)
        assert len(train) + len(val) == len(deal.train) and not torch.equal(
            train.pixels[:500], val.pixels
        )
