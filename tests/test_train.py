"""Runs on the real sample: what they write, that they resume to the byte, and how they fail."""

import json
import resource
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import train_zoo
from safetensors.torch import load_file
from tiny_zoo import Tiny
from torch import nn

import train
from model import Slim
from torchbudget.data.images import Dataset
from torchbudget.data.mnist import MNIST, MNIST_SAMPLE
from torchbudget.declare.budget import Budget
from torchbudget.declare.entry import Entry
from torchbudget.errors import CheckpointError, UsageError
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import evidence_of, read_results
from train import run
from utils.augmentations import Affine, Cutout
from utils.recipe import EMA, SGD, SWA, Constant, Cosine, OneCycle, Recipe
from utils.runs import RunPaths
from utils.training import Diverged

ROOT = Path(__file__).resolve().parent.parent
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

SHORT = replace(ENTRY, network=Tiny, recipe=replace(RECIPE, epochs=1, val_images=100))
"""For laws that need no network that has learnt much."""
TINY_ZOO = ROOT / "tests" / "tiny_zoo.py"


def places(folder: Path) -> RunPaths:
    return RunPaths(
        results=folder / "results.json",
        weights=folder / "weights",
        output=folder / "results",
        checkpoints=folder / "checkpoints",
    )


def few(sample: Dataset) -> Dataset:
    """400 of the sample's training images, 20 of its test images: few to draw."""
    train_images = sample.train[torch.arange(0, 4_000, 10)]
    return Dataset("mnist_sample", train_images, sample.test[torch.arange(0, 1_000, 50)])


@pytest.fixture(scope="module")
def finished(tmp_path_factory, sample):
    """A whole run: (its folder, its record)."""
    folder = tmp_path_factory.mktemp("run")
    return folder, run(ENTRY, 0, sample, paths=places(folder))


def test_a_run_learns_and_records_what_it_did(finished, sample):
    folder, record = finished
    assert record.history[-1].train_loss < record.history[0].train_loss and record.test.misses < 600
    (read,) = read_results(folder / "results.json")
    assert read.seal == read.expected_seal() and evidence_of(ENTRY, [read]) == {0: read}
    assert (record.train_images, record.val_images, record.steps, record.batch_size) == (
        3_500,
        500,
        2 * (3_500 // 64),
        64,
    )
    assert record.epochs == pytest.approx(record.steps * 64 / 3_500) and len(record.history) == 2
    assert record.digests.weights == file_digest(folder / "weights" / f"{record.stem}.safetensors")
    assert record.digests.test == sample.test.digest and record.test_reads == 1
    assert record.commit and record.hardware.device and record.versions["torch"]


def test_a_run_leaves_history_and_pictures(finished):
    folder, record = finished
    history = json.loads((folder / "results" / f"{record.stem}-history.json").read_text())[
        "history"
    ]
    assert [row["val_misses"] for row in history] == [row.val_misses for row in record.history]
    assert {path.suffix for path in (folder / "results").iterdir()} == {".json", ".png"}
    assert len(list((folder / "results").glob("*.png"))) == 3


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(tmp_path, sample):
    first, again, other = (
        run(SHORT, seed, few(sample), paths=places(tmp_path)).digests.weights for seed in (0, 0, 1)
    )
    assert first == again != other


def start(folder: Path, *words: str) -> subprocess.Popen:
    """train.py as a process, on `tiny` in `folder`, after its first epoch."""
    shutil.copy(TINY_ZOO, folder / "zoo.py")
    command = [sys.executable, str(ROOT / "train.py"), "tiny", "--zoo", "zoo.py", *words]
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    for line in process.stdout:
        if line.startswith("epoch  1/"):
            return process
    raise AssertionError("the run ended before the epoch")


def hear_ctrl_c() -> None:
    """A suite in the background inherits a deaf SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_a_run_killed_in_mid_epoch_resumes_to_the_same_bytes(tmp_path, trained_zoo):
    """As the bytes of a run that nobody killed, in another process."""
    with start(tmp_path) as killed:
        killed.send_signal(signal.SIGKILL)
    assert not (tmp_path / "results.json").exists()
    assert "resumed after epoch 1 of 2" in train_zoo(tmp_path, "tiny", "--resume")
    weights = "weights/tiny-seed0-mnist_sample.safetensors"
    assert (tmp_path / weights).read_bytes() == (trained_zoo / weights).read_bytes()


def test_ctrl_c_gives_one_line_and_its_exit_code(tmp_path):
    process = start(tmp_path, "--recipe.epochs", "50")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (
        process.returncode == 130
        and errors.strip().splitlines()[-1].startswith("train.py: interrupted")
        and "Traceback" not in errors
    )


@pytest.fixture
def full_disk():
    """No file of this process grows past 9,000 bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (9_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(tmp_path, capsys, full_disk):
    shutil.copy(TINY_ZOO, tmp_path / "zoo.py")
    assert train.main(["tiny", "--zoo", str(tmp_path / "zoo.py")]) == 3
    errors = capsys.readouterr().err.strip().splitlines()
    assert errors[-1].startswith("train.py: ")
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["zoo.py"]


class Unbounded(nn.Sequential):
    """Nothing in it normalises."""

    def __init__(self):
        super().__init__(nn.Flatten(), nn.Linear(784, 50), nn.ReLU(), nn.Linear(50, 10))


def test_a_loss_that_is_not_finite_stops_the_run_and_says_where(tmp_path, sample):
    schedule = Constant(lr=1000)
    optimizer = SGD(momentum=0.99)
    short = replace(SHORT.recipe, batch_size=20, amp="off")
    recipe = replace(short, schedule=schedule, optimizer=optimizer)
    wild = replace(SHORT, network=Unbounded, recipe=recipe)
    with pytest.raises(Diverged, match=r"step \d+, learning rate 1e\+03; try a lower rate"):
        run(wild, 0, few(sample), paths=places(tmp_path))
    assert not (tmp_path / "results.json").exists() and not (tmp_path / "weights").exists()


def test_an_overridden_run_is_no_evidence_and_touches_no_shipped_weights(tmp_path, sample):
    record = run(
        SHORT,
        0,
        few(sample),
        paths=places(tmp_path),
        overrides=["epochs=1"],
    )
    assert evidence_of(ENTRY, [record]) == {}
    assert (
        not (tmp_path / "weights").exists()
        and (tmp_path / "results/weights" / f"{record.stem}.safetensors").exists()
    )


def test_the_sample_never_stands_in_for_mnist(tmp_path, sample):
    declared = replace(SHORT, data=MNIST, recipe=replace(SHORT.recipe, val_images=6_000))
    record = run(declared, 0, few(sample), paths=places(tmp_path))
    assert (record.dataset, record.val_images) == ("mnist_sample", 40)
    assert evidence_of(declared, [record]) == {} and not (tmp_path / "weights").exists()


def test_resuming_another_recipe_is_refused(finished, sample):
    folder, _ = finished
    with pytest.raises(CheckpointError, match="another recipe"):
        run(
            replace(ENTRY, recipe=replace(RECIPE, batch_size=32)),
            0,
            sample,
            paths=places(folder),
            resume=True,
        )


def test_weights_are_what_was_measured(finished):
    folder, record = finished
    shipped = load_file(folder / "weights" / f"{record.stem}.safetensors")
    assert set(shipped) == set(Slim().state_dict()) and all(
        tensor.dtype in (torch.float32, torch.int64) for tensor in shipped.values()
    )


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        (["--recipe.epochs", "3"], "epochs", 3),
        (["--recipe.schedule.max-lr", "0.05"], "schedule", OneCycle(max_lr=0.05)),
        (["--recipe.schedule", "Cosine", "--recipe.schedule.lr=0.2"], "schedule", Cosine(lr=0.2)),
        (
            [
                "--recipe.average",
                "SWA",
                "--recipe.average.start-epoch",
                "1",
                "--recipe.average.lr",
                "0.01",
            ],
            "average",
            SWA(start_epoch=1, lr=0.01),
        ),
        (["--recipe.average", "null"], "average", None),
        (["--recipe.clip_norm", "1.5"], "clip_norm", 1.5),
        (["--recipe.amp", "off"], "amp", "off"),
    ],
)
def test_any_field_of_a_recipe_can_be_overridden(words, field, value):
    entry, overrides, _ = train.parse(
        ["tiny", *words],
        {"tiny": replace(ENTRY, recipe=replace(RECIPE, schedule=OneCycle(max_lr=0.1)))},
    )
    assert getattr(entry.recipe, field) == value
    assert overrides and all(override.startswith(field) for override in overrides)


def test_an_entry_that_does_not_come_first_is_refused_not_ignored():
    zoo = {"slim": replace(ENTRY, name="slim"), "tiny": ENTRY}
    with pytest.raises(UsageError, match="the entry comes first"):
        train.parse(["--seed", "1", "tiny"], zoo)


def test_without_overrides_there_are_none():
    entry, overrides, options = train.parse(["tiny", "--seed", "3"], {"tiny": ENTRY})
    assert (entry, overrides, options.seed) == (ENTRY, [], 3)


@pytest.mark.parametrize(
    "words",
    [
        ["nobody"],
        ["tiny", "--recipe.epochs", "0"],
        ["tiny", "--recipe.epochs", "many"],
        ["tiny", "--nonsense"],
        ["tiny", "--device", "nowhere"],
        ["--zoo", "nowhere.py"],
    ],
)
def test_wrong_usage_is_named_without_a_traceback(words, tmp_path, capsys):
    shutil.copy(TINY_ZOO, tmp_path / "zoo.py")
    zoo = [] if "--zoo" in words else ["--zoo", str(tmp_path / "zoo.py")]
    assert exit_code([*words, *zoo]) == 2
    errors = capsys.readouterr().err
    assert errors.strip() and "Traceback" not in errors


def exit_code(words: list[str]) -> int:
    """Of train.py with these words, whether it returns or leaves."""
    try:
        return train.main(words)
    except SystemExit as left:
        return left.code


# --- repetitions ----------------------------------------------------------------------------------


def snapshot(folder: Path) -> dict[str, str]:
    """Digest of each file that git would track in a zoo's folder."""
    tracked = [folder / "results.json", *sorted((folder / "weights").iterdir())]
    return {str(path.relative_to(folder)): file_digest(path) for path in tracked}


def test_a_repetition_leaves_what_ships_and_is_judged_and_compared(zoo, capfd):
    before = snapshot(zoo)
    assert train.main(["tiny", "--zoo", str(zoo / "zoo.py"), "--check"]) == 0
    out = capfd.readouterr().out
    (run,) = read_results(zoo / "results/results.json")
    same = f"{run.test.misses} misses here, {run.test.misses} shipped; same processor, same bytes"
    assert same in out and "in the place of the shipped one" in out
    assert snapshot(zoo) == before
    assert (zoo / "results/weights" / f"{run.stem}.safetensors").is_file()


def test_record_replaces_what_ships_and_missing_evidence_is_recorded(zoo):
    words = ["tiny", "--zoo", str(zoo / "zoo.py")]
    (zoo / "weights/tiny-seed1-mnist_sample.safetensors").unlink()
    assert train.main([*words, "--seed", "1"]) == 0
    assert (zoo / "weights/tiny-seed1-mnist_sample.safetensors").is_file()
    before = read_results(zoo / "results.json")
    assert train.main([*words, "--record"]) == 0
    assert read_results(zoo / "results.json") != before
    assert not (zoo / "results/results.json").exists()


def test_a_seed_that_the_budget_does_not_declare_is_no_evidence(zoo, capsys):
    before = snapshot(zoo)
    assert train.main(["tiny", "--zoo", str(zoo / "zoo.py"), "--seed", "2"]) == 0
    assert "the budget declares 2 seeds, from 0" in capsys.readouterr().out
    assert snapshot(zoo) == before
