"""Somebody's own network, data and training loop, judged by every gate: 3x32x32, seven classes."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tampering import edit, write_canonical
from torch import nn

from torchbudget.declare.zoofile import load_zoo
from torchbudget.engine import Engine
from torchbudget.errors import UsageError, WeightsError
from torchbudget.evidence.record import record_run
from torchbudget.evidence.results import Run, read_results
from torchbudget.gates import WITHOUT_BASELINE
from torchbudget.network.trace import build
from torchbudget.report.verdict import Status

NETS = """
from torch import nn


class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Conv2d(3, 8, 3, stride=2, bias=False),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.02),
            nn.Linear(8, CLASSES),
        )
"""
ZOO = """
from nets import Net
from torchbudget.data import npz
from torchbudget.declare.budget import BatchNorm, Budget, Dropout, GlobalAveragePooling
from torchbudget.declare.entry import Entry

REQUIRED = (BatchNorm(), Dropout(), GlobalAveragePooling())
BUDGET = Budget(max_params=2_000, max_epochs=9, min_accuracy=0.9, requires=REQUIRED)
ZOO = (Entry(name="net", network=Net, data=npz("colours.npz"), budget=BUDGET),)
"""
EPOCHS, BATCH = 8, 50


def make_images(count: int, num_classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Smooth noise, uint8 (N, 32, 32, 3), in a colour for each class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % num_classes
    hue = 2 * torch.pi * labels / num_classes
    colour = torch.stack([hue.cos(), hue.sin(), (2 * hue).cos()], 1)[:, :, None, None]
    noise = torch.randn(count, 3, 8, 8, generator=generator)
    images = 128 + 50 * colour + 20 * F.interpolate(noise, size=32, mode="bilinear")
    return images.clamp(0, 255).byte().permute(0, 2, 3, 1).numpy(), labels.numpy()


def train(folder: Path) -> tuple[nn.Module, int]:
    """Somebody's own loop: the trained network, and its steps."""
    entry = load_zoo(folder / "zoo.py")["net"]
    images = Engine(folder / "zoo.py").observe(entry).dataset.train
    torch.manual_seed(0)
    network = build(entry.network)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    steps = 0
    for _ in range(EPOCHS):
        for index in torch.randperm(len(images)).split(BATCH):
            batch = images.image.normalise(images.pixels[index].float() / 255)
            loss = F.cross_entropy(network(batch), images.labels[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1
    return network, steps


def make_zoo(folder: Path, num_classes: int, train_images: int) -> Path:
    """`folder` with network, data, zoo file, and the record of a training on them."""
    (folder / "nets.py").write_text(NETS.replace("CLASSES", str(num_classes)))
    (folder / "zoo.py").write_text(ZOO)
    x_train, y_train = make_images(train_images, num_classes, 1)
    x_test, y_test = make_images(2 * num_classes, num_classes, 2)
    np.savez(folder / "colours.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    network, steps = train(folder)
    entry = load_zoo(folder / "zoo.py")["net"]
    recorded = record_run(
        entry, 0, network, folder=folder, steps=steps, batch_size=BATCH, seconds=1.0
    )
    assert read_results(folder / "results.json") == [recorded.run]
    return folder


@pytest.fixture(scope="module")
def recorded(tmp_path_factory) -> dict[str, bytes]:
    """The files of a zoo that keeps its budget, by their paths in its folder."""
    folder = make_zoo(tmp_path_factory.mktemp("recorded"), 7, 700)
    files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def zoo(recorded, tmp_path) -> Path:
    for name, content in recorded.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def judge(folder: Path) -> dict[str, Status]:
    """The status of every gate on the zoo in `folder`."""
    engine = Engine(folder / "zoo.py")
    verdicts = engine.judge_zoo(list(engine.zoo.values()), engine.select_gates())
    assert [verdict.gate for verdict in verdicts] == list(WITHOUT_BASELINE)
    return {verdict.gate: verdict.status for verdict in verdicts}


def test_a_network_of_ones_own_passes_every_gate_that_applies(zoo):
    statuses = judge(zoo)
    assert statuses.pop("history") is Status.NOT_APPLICABLE
    assert set(statuses.values()) == {Status.PASS}


def test_what_a_training_did_not_tell_cannot_be_judged_and_is_no_pass(zoo):
    network, _ = train(zoo)
    record_run(load_zoo(zoo / "zoo.py")["net"], 0, network, folder=zoo)
    assert judge(zoo)["epochs"] is Status.NOT_RUN
    edit(zoo / "zoo.py", " max_epochs=9,", "")
    assert judge(zoo)["epochs"] is Status.NOT_APPLICABLE


def test_without_any_rule_nothing_about_accuracy_is_claimed(zoo):
    edit(zoo / "zoo.py", " min_accuracy=0.9,", "")
    assert judge(zoo)["accuracy"] is Status.NOT_APPLICABLE


def tamper_with_data(folder: Path, **changes) -> None:
    with np.load(folder / "colours.npz") as archive:
        arrays = dict(archive)
    np.savez(folder / "colours.npz", **arrays | {k: f(arrays) for k, f in changes.items()})


def tamper_with_record(folder: Path, **changes) -> None:
    document = json.loads((folder / "results.json").read_text())
    (run,) = document["runs"]
    run.update(changes)
    run["seal"] = msgspec.convert(run, Run).expected_seal()
    (folder / "results.json").write_text(write_canonical(document))


def repeat_test_images(arrays: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([arrays["x_train"][len(arrays["x_test"]) :], arrays["x_test"]])


TAMPERED = {
    "a budget of too few": (lambda zoo: edit(zoo / "zoo.py", "2_000", "150"), {"params"}),
    "no dropout": (
        lambda zoo: edit(zoo / "nets.py", "Dropout(0.02)", "Identity()"),
        {"structure", "chain"},
    ),
    "another normalisation": (
        lambda zoo: edit(
            zoo / "zoo.py", 'npz("colours.npz")', 'npz("colours.npz", mean=(0.,)*3, std=(9.,)*3)'
        ),
        {"chain", "claim", "accuracy"},
    ),
    "an image of the test set another": (
        lambda zoo: tamper_with_data(zoo, x_test=lambda arrays: arrays["x_test"][::-1].copy()),
        {"chain", "claim"},
    ),
    "test images among the training's": (
        lambda zoo: tamper_with_data(zoo, x_train=repeat_test_images),
        {"leak", "chain", "accuracy"},
    ),
    "a step more than it took": (lambda zoo: tamper_with_record(zoo, steps=10**6), {"epochs"}),
    "a missing image put right": (
        lambda zoo: tamper_with_record(zoo, digests=read_digests(zoo) | {"predictions": "0" * 64}),
        {"claim"},
    ),
}


def read_digests(folder: Path) -> dict[str, str]:
    (run,) = read_results(folder / "results.json")
    return msgspec.to_builtins(run.digests)


@pytest.mark.parametrize("what", TAMPERED)
def test_what_is_not_so_is_caught(what, zoo):
    change, gates = TAMPERED[what]
    change(zoo)
    statuses = judge(zoo)
    failed = {gate for gate, status in statuses.items() if status is Status.FAIL}
    assert gates <= failed and Status.ERROR not in statuses.values()


def test_weights_that_do_not_fit_are_refused_before_anything_is_written(zoo):
    entry = load_zoo(zoo / "zoo.py")["net"]
    before = {path: path.read_bytes() for path in zoo.rglob("*") if path.is_file()}
    other = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.ReLU())
    with pytest.raises(WeightsError, match=r"^the weights lack 1\.weight"):
        record_run(entry, 0, other, folder=zoo)
    assert {path: path.read_bytes() for path in zoo.rglob("*") if path.is_file()} == before


def test_wrapped_networks_are_recorded_as_what_they_wrap(zoo):
    network, steps = train(zoo)
    entry = load_zoo(zoo / "zoo.py")["net"]
    before = read_digests(zoo)
    for wrapped in (nn.DataParallel(network), network.state_dict()):
        record_run(entry, 0, wrapped, folder=zoo, steps=steps, batch_size=BATCH)
        assert read_digests(zoo) == before


def test_an_engine_says_what_cannot_be_read(zoo):
    (zoo / "results.json").write_text("{}")
    with pytest.raises(UsageError, match=r"results\.json is not a results file"):
        Engine(zoo / "zoo.py")


def test_above_a_hundred_classes_the_worst_confusions_are_kept(tmp_path):
    folder = make_zoo(tmp_path, 120, 360)
    (run,) = read_results(folder / "results.json")
    assert run.confusion == [] and run.form.num_classes == 120
    counts = [count for _, _, count in run.worst_confusions]
    assert counts == sorted(counts, reverse=True) and 0 < sum(counts) <= run.test.misses
    statuses = judge(folder)
    assert statuses["claim"] is statuses["chain"] is Status.PASS
    assert statuses["accuracy"] is Status.FAIL
    tamper_with_record(folder, worst_confusions=[[0, 1, run.test.misses]])
    assert judge(folder)["claim"] is Status.FAIL
