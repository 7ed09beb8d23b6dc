"""Ensembles, trained for real: members first, then the vote, judged from their weights."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from conftest import train_zoo
from tampering import edit, failed, judge, write_canonical
from untrained import inspect

from torchbudget.data.mnist import IMAGE
from torchbudget.declare.zoofile import load_zoo
from torchbudget.engine import Engine
from torchbudget.evidence.measure import measure
from torchbudget.evidence.results import read_results
from torchbudget.evidence.weights import load_shipped
from torchbudget.network.ensemble import EnsembleNetwork, vote
from utils.runs import Store, is_current

JURY = """
(TINY,) = ZOO
ZOO = (TINY, Ensemble(name="jury", members=(Member(entry=TINY, seeds=(1, 0)),), vote="VOTE",
                      budget=Budget(max_params=10_000, max_epochs=3, max_misses=900)))
"""


def write_jury(folder: Path, by: str) -> None:
    text = (folder / "zoo.py").read_text().replace("import Entry", "import Ensemble, Entry, Member")
    (folder / "zoo.py").write_text(text + JURY.replace("VOTE", by))


@pytest.fixture(scope="module")
def elected(trained_zoo, tmp_path_factory) -> Path:
    """The trained zoo with an ensemble of its two seeds; training it trained the second one."""
    folder = tmp_path_factory.mktemp("elected") / "zoo"
    shutil.copytree(trained_zoo, folder)
    write_jury(folder, "logits")
    (folder / "weights" / "tiny-seed1-mnist_sample.safetensors").unlink()
    printed = train_zoo(folder, "jury")
    assert "tiny, seed 0: record in place" in printed
    assert "tiny, seed 1: " in printed and "jury: 2 networks vote" in printed
    return folder


@pytest.fixture
def jury(elected, tmp_path) -> Path:
    shutil.copytree(elected, tmp_path / "zoo")
    return tmp_path / "zoo"


def run_of(folder: Path, entry: str, seed: int = 0):
    (run,) = [
        run
        for run in read_results(folder / "results.json")
        if (run.entry, run.seed) == (entry, seed)
    ]
    return run


def test_an_ensemble_counts_all_its_members(elected):
    run, members = run_of(elected, "jury"), [run_of(elected, "tiny", seed) for seed in (1, 0)]
    for field in ("params", "multiply_adds", "steps"):
        assert getattr(run, field) == sum(getattr(member, field) for member in members)
    assert (
        run.train_seconds == pytest.approx(sum(member.train_seconds for member in members))
        and run.history == []
    )
    assert [(ballot["entry"], ballot["seed"]) for ballot in run.recipe["ballots"]] == [
        ("tiny", 1),
        ("tiny", 0),
    ]
    assert not (elected / "weights" / "jury-seed0-mnist_sample.safetensors").exists()


def test_its_size_is_that_of_the_network_that_holds_its_members(elected):
    entry = load_zoo(elected / "zoo.py")["jury"]
    assert Engine(elected / "zoo.py").observe(entry).size == inspect(entry.network, IMAGE).size


def test_every_gate_passes_on_what_train_left(jury):
    code, verdicts = judge(jury, "jury")
    assert code == 0 and failed(verdicts) == set() and verdicts["claim"]["status"] == "pass"


def test_the_vote_of_the_members_measurements_is_that_of_the_network_that_holds_them(
    elected, sample
):
    entry = load_zoo(elected / "zoo.py")["jury"]
    network = load_shipped(entry, 0, elected / "weights")
    assert isinstance(network, EnsembleNetwork) and not network.training
    assert measure(network, sample.test).digest == run_of(elected, "jury").digests.predictions


def test_votes_are_of_logits_or_of_probabilities():
    logits = torch.tensor([[[9.0, 0.0, 0.0]], [[0.0, 5.0, 0.0]], [[0.0, 5.0, 0.0]]])
    assert vote(logits, "logits").argmax() == 1 and torch.equal(
        vote(logits, "logits"), logits.mean(0)
    )
    torch.testing.assert_close(vote(logits, "probabilities").exp(), logits.softmax(2).mean(0))
    assert vote(logits * 1e4, "probabilities").isfinite().all()


TAMPERED = {
    "another vote": (
        lambda folder: edit(folder / "zoo.py", 'vote="logits"', 'vote="probabilities"'),
        "chain",
    ),
    "another member": (
        lambda folder: edit(folder / "zoo.py", "seeds=(1, 0)", "seeds=(0,)"),
        "chain",
    ),
    "views": (
        lambda folder: edit(
            folder / "zoo.py", 'vote="logits",', 'vote="logits", views=(View(right=1),),'
        ),
        "chain",
    ),
    "a member's weights": (lambda folder: swap_weights(folder), "chain"),
    "parameters": (
        lambda folder: edit(folder / "zoo.py", "max_params=10_000", "max_params=4_000"),
        "params",
    ),
    "epochs of a member": (
        lambda folder: edit(folder / "zoo.py", "max_epochs=3", "max_epochs=2"),
        "epochs",
    ),
}


def swap_weights(folder: Path) -> None:
    one, other = (
        folder / "weights" / f"tiny-seed{seed}-mnist_sample.safetensors" for seed in range(2)
    )
    other.write_bytes(one.read_bytes())


@pytest.mark.parametrize("name", TAMPERED)
def test_an_ensemble_that_is_no_longer_what_was_recorded_fails(name, jury):
    tamper, gate = TAMPERED[name]
    edit(
        jury / "zoo.py",
        "import Ensemble,",
        "import View\nfrom torchbudget.declare.entry import Ensemble,",
    )
    tamper(jury)
    code, verdicts = judge(jury, "jury")
    assert code == 1 and gate in failed(verdicts)


def test_a_missing_member_cannot_be_measured(jury):
    (jury / "weights" / "tiny-seed1-mnist_sample.safetensors").unlink()
    code, verdicts = judge(jury, "jury")
    assert (
        code == 3
        and verdicts["accuracy"]["status"] == "not_run"
        and "tiny-seed1" in verdicts["accuracy"]["observed"]
    )


def test_a_record_of_other_steps_than_the_members_fails(jury):
    document = json.loads((jury / "results.json").read_text())
    (run,) = [run for run in document["runs"] if run["entry"] == "jury"]
    run["steps"] += 1
    (jury / "results.json").write_text(write_canonical(document))
    assert {"history", "chain"} <= failed(judge(jury, "jury")[1])


def test_an_ensemble_in_place_is_not_trained_again(elected):
    store = Store(results=elected / "results.json", weights=elected / "weights")
    entry = load_zoo(elected / "zoo.py")["jury"]
    assert is_current(entry, 0, "mnist_sample", store)
    assert not is_current(
        dataclasses.replace(entry, vote="probabilities"), 0, "mnist_sample", store
    )
