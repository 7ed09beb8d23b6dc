"""A focus trains on what is still hard, after it has seen everything once."""

import pytest
import torch

from utils.sampler import BATCHES_AT_ONCE, Focus, Sampler

COUNT, SIZE = 60, 8
STEPS = COUNT // SIZE


def make(focus, **changes):
    return Sampler(
        focus,
        **{
            "num_images": COUNT,
            "batch_size": SIZE,
            "num_batches": STEPS,
            "generator": torch.Generator().manual_seed(0),
        }
        | changes,
    )


def train_on(sampler, epoch):
    return torch.cat(list(sampler.epoch(epoch))).flatten().tolist()


@pytest.mark.parametrize(("focus", "epoch"), [(None, 0), (None, 3), (Focus(), 0)])
def test_a_plain_epoch_is_a_random_order_of_all_images_but_what_is_left_over(focus, epoch):
    found = train_on(make(focus), epoch)
    assert len(found) == len(set(found)) == STEPS * SIZE
    assert found != sorted(found)


def test_the_first_epoch_is_the_same_with_a_focus_and_without():
    assert train_on(make(Focus()), 0) == train_on(make(None), 0)


@pytest.mark.parametrize("epoch", [1, 5])
def test_rounds_without_noise_are_the_images_of_the_highest_loss(epoch):
    sampler = make(Focus(share=0.4, noise=0))
    sampler.update_losses(torch.arange(COUNT), torch.arange(COUNT).float())
    batches = torch.cat(list(sampler.epoch(epoch)))
    assert batches.shape == (STEPS, SIZE)
    for first in range(0, STEPS, 3):  # 24 images, three batches, are a round
        found = batches[first : first + 3].flatten().tolist()
        assert set(found) <= set(range(COUNT - 24, COUNT)) and len(found) == len(set(found))


def test_a_round_is_chosen_by_the_losses_at_its_beginning():
    sampler = make(Focus(share=0.4, noise=0))
    sampler.update_losses(torch.arange(COUNT), torch.arange(COUNT).float())
    batches = sampler.epoch(1)
    first = set(next(batches).flatten().tolist())
    sampler.update_losses(torch.arange(COUNT), -torch.arange(COUNT).float())
    second = set(next(batches).flatten().tolist())
    assert (first, second) == (set(range(COUNT - 24, COUNT)), set(range(24)))


def test_what_was_left_over_in_the_first_epoch_comes_next():
    sampler = make(Focus(share=0.2, noise=0))
    for batch in sampler.epoch(0):
        sampler.update_losses(batch.flatten(), torch.rand(batch.numel()))
    left = set(range(COUNT)) - {index for index in range(COUNT) if sampler.losses[index].isfinite()}
    assert len(left) == COUNT - STEPS * SIZE
    assert left <= set(sampler.choose_round(1).tolist())


def test_noise_brings_easy_images_back():
    sampler = make(Focus(share=0.2, noise=3))
    sampler.update_losses(torch.arange(COUNT), torch.arange(COUNT).float() + 1)
    assert set(range(COUNT)) == {
        index for epoch in range(1, 60) for index in train_on(sampler, epoch)
    }


def test_a_round_is_at_least_a_batch():
    assert [batches.shape for batches in make(Focus(share=0.01)).epoch(1)] == [(1, SIZE)] * STEPS


def test_batches_are_told_some_at_a_time_and_never_of_two_rounds():
    sampler = make(
        Focus(share=0.4), num_batches=30
    )  # 60 images, 7 batches; rounds of 24, 3 batches
    assert [len(batches) for batches in sampler.epoch(0)] == [7, 7, 7, 7, 2]
    assert [len(batches) for batches in sampler.epoch(1)] == [3] * 10
    assert [len(batches) for batches in make(None, num_images=200, num_batches=25).epoch(3)] == [
        BATCHES_AT_ONCE
    ] * 3 + [1]


def test_losses_go_on_where_they_were_left():
    sampler, other = make(Focus()), make(Focus())
    sampler.update_losses(torch.arange(COUNT), torch.rand(COUNT))
    other.load_state_dict(sampler.state_dict())
    assert torch.equal(other.losses, sampler.losses)
    assert make(None).state_dict() == {}
