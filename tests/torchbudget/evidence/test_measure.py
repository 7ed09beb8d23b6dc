"""A measurement's integers agree with each other, and it leaves the network as it was."""

import hashlib
import threading

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from model import Slim
from torchbudget.data.images import Images, as_floats
from torchbudget.declare.views import View
from torchbudget.errors import NetworkError
from torchbudget.evidence.measure import BATCH, Measurement, measure, on_threads, predictions_digest

VIEWS = (View(), View(right=1))


@st.composite
def measurements(draw) -> Measurement:
    """Arbitrary logits, ties among them, and labels of which some are hit."""
    count = draw(st.integers(1, 40))
    logits = draw(
        st.lists(
            st.lists(st.integers(-3, 3), min_size=10, max_size=10), min_size=count, max_size=count
        )
    )
    logits = torch.tensor(logits, dtype=torch.float32)
    return Measurement(
        logits, torch.tensor(draw(st.lists(st.integers(0, 9), min_size=count, max_size=count)))
    )


@given(measurements())
def test_misses_missed_confusion_and_predictions_agree(found):
    pairs = list(zip(found.labels.tolist(), found.predictions.tolist(), strict=True))
    assert found.total == len(pairs) == sum(map(sum, found.confusion))
    assert (
        found.misses
        == sum(true != predicted for true, predicted in pairs)
        == found.total - sum(found.confusion[digit][digit] for digit in range(10))
    )
    assert found.missed == {
        index: predicted for index, (true, predicted) in enumerate(pairs) if true != predicted
    }
    assert found.confusion == [
        [pairs.count((true, predicted)) for predicted in range(10)] for true in range(10)
    ]
    assert all(
        found.logits[index, predicted] == found.logits[index].max()
        for index, (_, predicted) in enumerate(pairs)
    )
    assert found.loss == pytest.approx(
        -found.logits.double().log_softmax(1).gather(1, found.labels[:, None]).mean().item(),
        abs=1e-5,
    )


@given(measurements(), st.integers(0, 39), st.integers(1, 9))
def test_the_digest_changes_when_one_prediction_changes_and_only_then(found, index, other):
    index %= found.total
    changed = found.predictions.clone()
    changed[index] = (changed[index] + other) % 10
    assert (
        predictions_digest(changed, 10)
        != found.digest
        == hashlib.sha256(bytes(found.predictions.tolist())).hexdigest()
    )
    assert Measurement(found.logits * 2 + 1, found.labels).digest == found.digest


@pytest.fixture
def slim() -> nn.Module:
    torch.manual_seed(0)
    return Slim()


@pytest.mark.parametrize("training", [True, False])
def test_measuring_restores_the_mode_and_changes_nothing(training, slim, sample):
    before = {name: tensor.clone() for name, tensor in slim.train(training).state_dict().items()}
    random = torch.get_rng_state()
    measure(slim, sample.test[torch.arange(50)])
    assert all(layer.training == training for layer in slim.modules()) and torch.equal(
        random, torch.get_rng_state()
    )
    assert all(
        torch.equal(before[name], tensor) and not tensor.requires_grad
        for name, tensor in slim.state_dict().items()
    )


def test_a_network_is_measured_in_eval_mode_on_normalised_images(slim, sample):
    images, found = sample.test[torch.arange(200)], measure(slim, sample.test[torch.arange(200)])
    with torch.no_grad():
        expected = slim.eval()(images.image.normalise(as_floats(images.pixels)))
    torch.testing.assert_close(found.logits, expected, rtol=1e-4, atol=1e-5)
    assert (
        not found.logits.requires_grad
        and torch.equal(found.labels, images.labels)
        and torch.equal(images.pixels, sample.test.pixels[:200])
    )
    assert found.loss == pytest.approx(F.cross_entropy(expected, images.labels).item(), abs=1e-5)


def test_every_image_is_measured_whatever_is_left_after_whole_batches(slim, sample):
    images = sample.train[torch.arange(2 * BATCH + 7)]
    found = measure(slim, images)
    assert found.total == len(found.logits) == 2 * BATCH + 7
    torch.testing.assert_close(
        found.logits[-7:],
        measure(slim, images[torch.arange(2 * BATCH, 2 * BATCH + 7)]).logits,
        rtol=1e-4,
        atol=1e-5,
    )


def test_batches_at_once_give_what_one_after_the_other_gives(slim, sample):
    images = sample.test[torch.arange(3 * BATCH + 7)]
    one_by_one = measure(slim, images, views=VIEWS)
    with on_threads(2):
        at_once = measure(slim, images, views=VIEWS, batches_at_once=2)
        assert torch.get_num_threads() == 2
    assert torch.equal(at_once.logits, one_by_one.logits)
    assert torch.equal(at_once.plain, one_by_one.plain)


class Meeting(nn.Module):
    """Its forward ends only if another runs at the same time, each on one thread of torch's."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = threading.Barrier(2, timeout=10)
        self.threads: set[int] = set()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.barrier.wait()
        self.threads.add(torch.get_num_threads())
        return torch.zeros(len(x), 10)


def test_batches_at_once_run_at_the_same_time_on_a_thread_each(sample):
    network = Meeting()
    found = measure(network, sample.test[torch.arange(2 * BATCH)], batches_at_once=2)
    assert found.total == 2 * BATCH
    assert network.threads == {1}


class Broken(nn.Module):
    """Gives `logits` whatever it is shown."""

    def __init__(self, change) -> None:
        super().__init__()
        self.change = change

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.change(torch.zeros(len(x), 10))


BROKEN = {
    "nan": lambda logits: logits.index_fill(1, torch.tensor([3]), float("nan")),
    "infinite": lambda logits: logits.index_fill(1, torch.tensor([3]), float("inf")),
    "nine classes": lambda logits: logits[:, :9],
    "a row short": lambda logits: logits[1:],
    "a map": lambda logits: logits[:, :, None],
}


@pytest.mark.parametrize("name", BROKEN)
def test_logits_that_are_not_finite_n_by_10_are_refused(name, sample):
    network = Broken(BROKEN[name])
    with pytest.raises(
        NetworkError, match=r"logits, \(50, 10\) are needed|logits that are not finite"
    ):
        measure(network, sample.test[torch.arange(50)])
    assert network.training


@pytest.mark.parametrize("at_once", [1, 2])
def test_a_network_that_fails_keeps_its_mode(at_once, sample):
    network = Broken(lambda logits: logits.no_such_method())
    with pytest.raises(AttributeError):
        measure(network, sample.test[torch.arange(5)], batches_at_once=at_once)
    assert network.training


def test_of_no_images_none_is_missed(slim, sample):
    empty = Images(sample.test.pixels[:0], sample.test.labels[:0], sample.image)
    assert measure(slim, empty).total == measure(slim, empty).misses == 0
