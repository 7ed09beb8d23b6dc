"""Optimisers, schedules, averages and precision do what the recipe declares, also on resuming."""

import json
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from torchbudget.data.images import as_floats
from utils import entry as declarations
from utils.averaging import Averager
from utils.checkpoint import load_checkpoint, save_checkpoint
from utils.precision import autocast, choose_precision, has_native_bf16
from utils.recipe import EMA, SGD, SWA, Adam, Constant, Cosine, OneCycle, Recipe, ReduceOnPlateau
from utils.schedules import LearningRate
from zoo import ZOO

STEPS = 6  # an epoch
CPU = torch.device("cpu")
SCHEDULES = [
    OneCycle(max_lr=0.1, pct_start=0.5, div_factor=10, final_div_factor=100),
    Cosine(lr=0.1, min_lr=0.01),
    ReduceOnPlateau(lr=0.1, patience=0),
    Constant(lr=0.1),
]
AVERAGES = [None, EMA(decay=0.9), SWA(start_epoch=2, lr=0.02)]


def recipe(schedule=SCHEDULES[-1], average=None, optimizer=None, epochs=4) -> Recipe:
    return Recipe(
        epochs=epochs,
        batch_size=16,
        optimizer=optimizer or SGD(),
        schedule=schedule,
        average=average,
    )


def make_optimizer(declared: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    return declared.optimizer.build(network, declared.schedule.base_lr)


def make_learning_rate(
    declared: Recipe, optimizer: torch.optim.Optimizer, steps_per_epoch: int
) -> LearningRate:
    return LearningRate(
        declared.schedule, declared.average, optimizer, declared.epochs, steps_per_epoch
    )


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=4), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)
    )


def flat(network: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach().double()


class Loop:
    """A run on real images in `train.py`'s order of calls; keeps all rates and all weights."""

    def __init__(self, declared: Recipe, sample, losses=(1.0, 1.0, 1.0, 1.0)) -> None:
        self.network = small_network()
        self.optimizer, self.averager = (
            make_optimizer(declared, self.network),
            Averager(declared.average, self.network),
        )
        self.learning_rate = make_learning_rate(declared, self.optimizer, STEPS)
        self.parts = (self.network, self.optimizer, self.learning_rate, self.averager)
        self.images, self.labels = (
            sample.image.normalise(as_floats(sample.train.pixels)),
            sample.train.labels,
        )
        self.rates, self.weights = [self.learning_rate.value], []
        for number, loss in enumerate(losses):
            self.epoch(number, loss)

    def epoch(self, number: int, val_loss: float = 1.0) -> None:
        for step in range(number * STEPS, number * STEPS + STEPS):
            index = torch.arange(16) * 7 + step * 16
            self.optimizer.zero_grad()
            F.cross_entropy(self.network(self.images[index]), self.labels[index]).backward()
            self.optimizer.step()
            self.learning_rate.after_step()
            self.averager.after_step()
            self.rates.append(self.learning_rate.value)
            self.weights.append(flat(self.network))
        self.averager.after_epoch(number)
        self.learning_rate.after_epoch(val_loss)


def test_one_cycle_starts_low_peaks_at_its_maximum_and_ends_at_its_end(sample):
    rates = Loop(
        recipe(OneCycle(max_lr=0.1, pct_start=0.4, div_factor=10, final_div_factor=100)), sample
    ).rates
    assert rates[0] == pytest.approx(0.01) and rates[-1] == pytest.approx(0.0001)
    assert max(rates) == pytest.approx(0.1) == rates[9]  # 0.4 of 25, counted from 0
    assert rates[:10] == sorted(rates[:10]) and rates[9:] == sorted(rates[9:], reverse=True)


@pytest.mark.parametrize("pct_start", [0, 0.1, 0.25, 0.3, 0.5, 0.9])
def test_one_cycle_ends_at_its_end_however_short_the_run(pct_start):
    for steps in range(1, 21):
        declared = recipe(OneCycle(max_lr=0.1, pct_start=pct_start), epochs=1)
        optimizer = make_optimizer(declared, nn.Linear(1, 1))
        rate = make_learning_rate(declared, optimizer, steps)
        for _ in range(steps):
            assert 0 < rate.value < 0.1 + 1e-9
            optimizer.step()
            rate.after_step()
        assert rate.value == pytest.approx(0.1 / 25 / 1e4)


def test_cosine_follows_half_a_cosine_to_its_minimum_and_constant_stays(sample):
    rates = Loop(recipe(Cosine(lr=0.1, min_lr=0.01)), sample).rates
    assert rates == pytest.approx(
        [0.01 + 0.09 * (1 + math.cos(math.pi * step / 24)) / 2 for step in range(25)]
    )
    assert Loop(recipe(Constant(lr=0.03)), sample).rates == [0.03] * 25


@pytest.mark.parametrize(("patience", "lowered_in"), [(0, [2, 3]), (1, [3]), (2, [])])
def test_reduce_on_plateau_waits_out_its_patience(patience, lowered_in, sample):
    rates = Loop(
        recipe(ReduceOnPlateau(lr=0.1, factor=0.5, patience=patience)),
        sample,
        losses=(2.0, 2.1, 2.0, 0.0),
    ).rates
    assert rates[1::STEPS] == pytest.approx(
        [0.1 * 0.5 ** sum(epoch >= lower for lower in lowered_in) for epoch in range(4)]
    )


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("start", [0, 1, 3])
def test_swas_rate_takes_over_in_its_epoch_and_stays(schedule, start, sample):
    alone, rates = (
        Loop(recipe(schedule), sample).rates,
        Loop(recipe(schedule, SWA(start_epoch=start, lr=0.02)), sample).rates,
    )
    assert rates[: start * STEPS] == alone[: start * STEPS]
    assert (
        min(rates[start * STEPS + STEPS :])
        == pytest.approx(0.02)
        == max(rates[start * STEPS + STEPS :])
    )


@pytest.mark.parametrize("start", [0, 2, 3])
def test_swa_is_the_mean_of_the_epochs_weights_from_its_start(start, sample):
    loop = Loop(recipe(average=SWA(start_epoch=start, lr=0.05)), sample)
    torch.testing.assert_close(
        flat(loop.averager.averaged()),
        torch.stack(loop.weights[STEPS - 1 :: STEPS][start:]).mean(0),
        rtol=0,
        atol=1e-6,
    )


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_ema_follows_its_formula(decay, sample):
    loop = Loop(recipe(average=EMA(decay=decay)), sample)
    expected = loop.weights[0]
    for count, weights in enumerate(loop.weights[1:], start=1):
        expected = expected.lerp(weights, 1 - min(decay, (1 + count) / (10 + count)))
    torch.testing.assert_close(flat(loop.averager.averaged()), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("average", [EMA(decay=0.9), SWA(start_epoch=1, lr=0.05)], ids=repr)
def test_an_averaged_network_gets_batch_norm_statistics_of_its_own(average, sample):
    loop = Loop(recipe(average=average), sample)
    averaged, batches = flat(loop.averager.averaged()), loop.images[:600].split(200)
    final = loop.averager.final_network(batches)
    maps = [final[0](batch) for batch in batches]  # (200, 4, 6, 6): what the first norm sees
    torch.testing.assert_close(
        final[1].running_mean, torch.stack([each.mean((0, 2, 3)) for each in maps]).mean(0)
    )
    torch.testing.assert_close(
        final[1].running_var, torch.stack([each.var((0, 2, 3)) for each in maps]).mean(0)
    )
    assert torch.equal(flat(final), averaged)
    assert final is not loop.network and not torch.allclose(
        final[1].running_mean, loop.network[1].running_mean
    )


@pytest.mark.parametrize("average", [None, SWA(start_epoch=3, lr=0.05)], ids=repr)
def test_without_an_average_yet_the_last_weights_are_final(average, sample):
    loop = Loop(recipe(average=average), sample, losses=[1.0])
    before = loop.network[1].running_mean.clone()
    assert loop.averager.final_network(loop.images[:600].split(200)) is loop.network
    assert torch.equal(loop.network[1].running_mean, before)


@pytest.mark.parametrize("optimizer", [SGD(), Adam(decoupled=True)], ids=repr)
@pytest.mark.parametrize("average", AVERAGES, ids=repr)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_a_run_taken_up_from_a_checkpoint_ends_as_one_that_never_stopped(
    schedule, average, optimizer, sample, tmp_path
):
    declared = recipe(schedule, average, optimizer)
    straight = Loop(declared, sample)
    for stop in (1, 2, 3):
        first, second = (
            Loop(declared, sample, losses=[1.0] * stop),
            Loop(declared, sample, losses=()),
        )
        save_checkpoint(tmp_path, stop, {"parts": [part.state_dict() for part in first.parts]})
        for part, state in zip(second.parts, load_checkpoint(tmp_path)["parts"], strict=True):
            part.load_state_dict(state)
        for number in range(stop, 4):
            second.epoch(number)
        assert second.rates[1:] == straight.rates[stop * STEPS + 1 :]
        assert torch.equal(second.weights[-1], straight.weights[-1])
        assert average is None or torch.equal(
            flat(second.averager.averaged()), flat(straight.averager.averaged())
        )


@pytest.mark.parametrize("decay_all", [True, False])
@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_decay_all_false_spares_biases_and_norms(optimizer, decay_all):
    network, before = small_network(), small_network()
    settings = {"momentum": 0.0, "nesterov": False} if optimizer is SGD else {"decoupled": True}
    made = make_optimizer(
        recipe(optimizer=optimizer(weight_decay=0.5, decay_all=decay_all, **settings)), network
    )
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    made.step()
    for old, new in zip(before.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(new, old * (0.95 if decay_all or old.ndim > 1 else 1.0))


def test_an_optimizer_is_the_declared_one_over_every_trainable_parameter_once():
    network = small_network()
    network[0].weight.requires_grad_(False)
    for declared, kind, settings in (
        (SGD(momentum=0.8), torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
        (Adam(beta1=0.8, beta2=0.99), torch.optim.Adam, {"betas": (0.8, 0.99)}),
        (Adam(decoupled=True), torch.optim.AdamW, {"betas": (0.9, 0.999)}),
    ):
        made = make_optimizer(recipe(optimizer=declared), network)
        held = [id(parameter) for group in made.param_groups for parameter in group["params"]]
        assert sorted(held) == sorted(
            id(parameter) for parameter in network.parameters() if parameter.requires_grad
        )
        assert type(made) is kind and made.defaults.items() >= {"lr": 0.1, **settings}.items()


def test_precision_off_is_fp32_everywhere_and_fp16_is_for_cuda_alone():
    assert {choose_precision("off", torch.device(device)) for device in ("cpu", "cuda", "mps")} == {
        "fp32"
    }
    assert [
        choose_precision("fp16", torch.device(device)) for device in ("cpu", "cuda", "mps")
    ] == ["fp32", "fp16", "fp32"]
    assert choose_precision("bf16", CPU) == ("bf16" if has_native_bf16(CPU) else "fp32")
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with autocast(precision, CPU):
            assert small_network()(torch.zeros(2, 1, 28, 28)).dtype is dtype


def test_every_schedule_average_and_optimizer_is_tried_here():
    tried = {type(each) for each in (*SCHEDULES, *AVERAGES, SGD(), Adam()) if each}
    assert tried == {
        kind
        for base in (declarations.Schedule, declarations.Average, declarations.Optimizer)
        for kind in base.__subclasses__()
    }


# --- which rates training can reach -------------------------------------------------------------

RESULTS = json.loads((Path(__file__).resolve().parents[2] / "results.json").read_text())["runs"]


@pytest.mark.parametrize("average", AVERAGES, ids=repr)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_every_rate_is_within_the_range_and_comes_near_its_greatest(schedule, average, sample):
    declared = recipe(schedule, average)
    least, greatest = declared.lr_range()
    rates = Loop(declared, sample, losses=(1.0, 2.0, 3.0, 4.0)).rates
    assert least - 1e-12 <= min(rates) and max(rates) <= greatest + 1e-12
    assert max(rates) == pytest.approx(greatest, rel=0.01)  # a peak may lie between two steps


@pytest.mark.parametrize(
    ("declared", "bounds"),
    [
        (recipe(OneCycle(max_lr=0.1, div_factor=10, final_div_factor=100)), (1e-4, 0.1)),
        (recipe(Cosine(lr=0.1, min_lr=0.01)), (0.01, 0.1)),
        (recipe(ReduceOnPlateau(lr=0.1)), (0.0, 0.1)),
        (recipe(Constant(lr=0.1)), (0.1, 0.1)),
        (recipe(Constant(lr=0.1), SWA(lr=0.2)), (0.1, 0.2)),
        (recipe(Cosine(lr=0.1, min_lr=0.01), SWA(lr=0.001)), (0.001, 0.1)),
    ],
    ids=repr,
)
def test_the_range_is_from_the_least_rate_to_the_greatest(declared, bounds):
    assert declared.lr_range() == pytest.approx(bounds)


@pytest.mark.parametrize("average", AVERAGES, ids=repr)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_the_rates_of_every_epoch_are_those_that_training_has(schedule, average, sample):
    declared = recipe(schedule, average)
    losses = (1.0, 2.0, 0.5, 4.0)
    loop = Loop(declared, sample, losses=())
    trained = []
    for number, loss in enumerate(losses):
        loop.epoch(number, loss)
        trained.append(loop.learning_rate.value)
    assert declared.learning_rates(STEPS, losses) == trained


def test_every_recorded_rate_of_this_zoo_is_that_of_its_recipe():
    entries = {entry.name: entry for entry in ZOO if isinstance(entry.recipe, Recipe)}
    judged = 0
    for run in RESULTS:
        entry = entries.get(run["entry"])
        if entry is None or run.get("overrides"):
            continue
        losses = [row["val_loss"] for row in run["history"]]
        steps = run["train_images"] // run["batch_size"]
        rates = entry.recipe.learning_rates(steps, losses)
        assert [row["lr"] for row in run["history"]] == pytest.approx(rates, rel=1e-9, abs=1e-9)
        judged += len(rates)
    assert judged > 500
