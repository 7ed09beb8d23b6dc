"""A focus trains on what is still hard, after it has seen everything once."""

import itertools

import pytest
import torch

from utils.entry import Focus
from utils.focus import Order

COUNT, SIZE = 60, 8
STEPS = COUNT // SIZE


def make(focus, **changes):
    return Order(focus, **{"count": COUNT, "size": SIZE, "steps": STEPS, "generator": torch.Generator().manual_seed(0)} | changes)


def seen(order, epoch):
    return torch.cat(list(order.epoch(epoch))).tolist()


@pytest.mark.parametrize(("focus", "epoch"), [(None, 0), (None, 3), (Focus(), 0)])
def test_a_plain_epoch_is_a_random_order_of_all_images_but_what_is_left_over(focus, epoch):
    found = seen(make(focus), epoch)
    assert len(found) == len(set(found)) == STEPS * SIZE
    assert found != sorted(found)


def test_the_first_epoch_is_the_same_with_a_focus_and_without():
    assert seen(make(Focus()), 0) == seen(make(None), 0)


@pytest.mark.parametrize("epoch", [1, 5])
def test_rounds_without_noise_are_the_images_of_the_highest_loss(epoch):
    order = make(Focus(share=0.4, noise=0))
    order.note(torch.arange(COUNT), torch.arange(COUNT).float())
    batches = list(order.epoch(epoch))
    assert len(batches) == STEPS
    for first in range(0, STEPS, 3):  # 24 images, three batches, are a round
        found = torch.cat(batches[first : first + 3]).tolist()
        assert set(found) <= set(range(COUNT - 24, COUNT)) and len(found) == len(set(found))


def test_a_round_is_chosen_by_the_losses_at_its_beginning():
    order = make(Focus(share=0.4, noise=0))
    order.note(torch.arange(COUNT), torch.arange(COUNT).float())
    batches = order.epoch(1)
    first = set(torch.cat(list(itertools.islice(batches, 3))).tolist())
    order.note(torch.arange(COUNT), -torch.arange(COUNT).float())
    second = set(torch.cat(list(itertools.islice(batches, 3))).tolist())
    assert (first, second) == (set(range(COUNT - 24, COUNT)), set(range(24)))


def test_what_was_left_over_in_the_first_epoch_comes_next():
    order = make(Focus(share=0.2, noise=0))
    for batch in order.epoch(0):
        order.note(batch, torch.rand(len(batch)))
    left = set(range(COUNT)) - {index for index in range(COUNT) if order.losses[index].isfinite()}
    assert len(left) == COUNT - STEPS * SIZE
    assert left <= set(order._round(1).tolist())


def test_noise_brings_easy_images_back():
    order = make(Focus(share=0.2, noise=3))
    order.note(torch.arange(COUNT), torch.arange(COUNT).float() + 1)
    assert set(range(COUNT)) == {index for epoch in range(1, 60) for index in seen(order, epoch)}


def test_a_round_is_at_least_a_batch():
    assert all(len(batch) == SIZE for batch in make(Focus(share=0.01)).epoch(1))


def test_losses_go_on_where_they_were_left():
    order, other = make(Focus()), make(Focus())
    order.note(torch.arange(COUNT), torch.rand(COUNT))
    other.load_state_dict(order.state_dict())
    assert torch.equal(other.losses, order.losses)
    assert make(None).state_dict() == {}
