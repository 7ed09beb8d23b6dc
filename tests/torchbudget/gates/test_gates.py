"""The whole chain on a small zoo trained on the sample: which gate fails when one link changes."""

import json

import pytest
from tampering import edit, edit_run, failed, judge
from untrained import observe_runs

from torchbudget.data.images import Dataset
from torchbudget.data.spec import DataSpec
from torchbudget.gates import WITHOUT_BASELINE
from torchbudget.gates import judge as judge_gate

SEED0, SEED1 = "tiny-seed0-mnist_sample.safetensors", "tiny-seed1-mnist_sample.safetensors"


def test_an_honest_zoo_passes_every_gate(zoo, capsys):
    code, verdicts = judge(zoo)
    assert (
        code == 0
        and list(verdicts) == list(WITHOUT_BASELINE)
        and {verdict["status"] for verdict in verdicts.values()} == {"pass"}
    )
    assert (
        capsys.readouterr().out.strip().splitlines()[-1]
        == f"{len(WITHOUT_BASELINE)} pass; exit code 0"
    )


def test_comments_and_formatting_break_nothing(zoo):
    edit(
        zoo / "zoo.py",
        "def forward(self, x):",
        "def forward(self, x):  # one comment\n\n        # another\n",
    )
    assert judge(zoo)[0] == 0


def test_a_digit_edited_in_the_record_is_found(zoo):
    misses = json.loads((zoo / "results.json").read_text())["runs"][0]["train_seconds"]
    edit_run(zoo, 0, train_seconds=misses + 1)
    code, verdicts = judge(zoo)
    assert code == 1 and failed(verdicts) == {"chain"} and "seal" in verdicts["chain"]["observed"]


def test_better_misses_with_a_new_seal_are_still_found(zoo):
    run = json.loads((zoo / "results.json").read_text())["runs"][0]
    index, digit = next(iter(run["missed"].items()))
    missed = {key: value for key, value in run["missed"].items() if key != index}
    confusion = [list(row) for row in run["confusion"]]
    true = next(row for row in range(10) if row != digit and confusion[row][digit])
    confusion[true][digit] -= 1
    confusion[true][true] += 1
    test = {"misses": run["test"]["misses"] - 1, "total": run["test"]["total"]}
    edit_run(zoo, 0, reseal=True, missed=missed, confusion=confusion, test=test)
    code, verdicts = judge(zoo)
    assert (
        code == 1
        and failed(verdicts) == {"claim"}
        and f"#{index} " in verdicts["claim"]["observed"]
    )


def test_swapped_weights_are_found(zoo):
    first, second = zoo / "weights" / SEED0, zoo / "weights" / SEED1
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two), second.write_bytes(one)
    code, verdicts = judge(zoo)
    assert code == 1 and {"chain", "claim"} <= failed(verdicts)
    assert (
        SEED0 in verdicts["chain"]["observed"]
        and verdicts["chain"]["remedy"]
        == "train it and record the run: torchbudget record tiny --seed 0 --weights FILE"
    )


def test_a_wider_layer_is_found(zoo):
    edit(zoo / "zoo.py", "WIDTH = 8", "WIDTH = 30")
    code, verdicts = judge(zoo)
    assert code == 1 and {"params", "chain"} <= failed(verdicts)
    assert (
        verdicts["params"]["expected"] == "fewer than 5,000"
        and verdicts["claim"]["status"] == "not_run"
    )


def test_a_skipped_layer_is_found(zoo):
    edit(zoo / "zoo.py", "self.norm2(self.conv2(x))", "self.conv2(x)")
    code, verdicts = judge(zoo)
    assert (
        code == 1
        and {"structure", "chain"} <= failed(verdicts)
        and "not normalised" in verdicts["structure"]["observed"]
    )


def test_a_changed_recipe_is_stale_and_named(zoo):
    edit(zoo / "zoo.py", "max_lr=0.05", "max_lr=0.06")
    code, verdicts = judge(zoo)
    assert (
        code == 1
        and failed(verdicts) == {"chain", "history"}
        and "recipe.schedule.max_lr: 0.05 recorded, 0.06" in verdicts["chain"]["observed"]
    )


def test_a_budget_that_is_exactly_met_passes_in_misses_and_fails_in_params(zoo):
    worst = max(
        run["test"]["misses"] for run in json.loads((zoo / "results.json").read_text())["runs"]
    )
    params = json.loads((zoo / "results.json").read_text())["runs"][0]["params"]
    edit(zoo / "zoo.py", "max_misses=900", f"max_misses={worst}")
    assert judge(zoo)[0] == 0
    edit(zoo / "zoo.py", f"max_misses={worst}", f"max_misses={worst - 1}")
    code, verdicts = judge(zoo)
    assert (
        code == 1
        and failed(verdicts) == {"accuracy"}
        and verdicts["accuracy"]["difference"] == "+1"
    )
    edit(zoo / "zoo.py", f"max_misses={worst - 1}", f"max_misses={worst}")
    edit(zoo / "zoo.py", "max_params=5_000", f"max_params={params}")
    code, verdicts = judge(zoo)
    assert (
        code == 1
        and failed(verdicts) == {"params"}
        and verdicts["params"]["difference"] == "+1 too many"
    )


def test_a_missing_seed_and_one_too_many_are_found(zoo):
    edit(zoo / "zoo.py", "seeds=2", "seeds=3")
    code, verdicts = judge(zoo)
    assert (
        code == 1 and failed(verdicts) == {"seeds"} and verdicts["accuracy"]["status"] == "not_run"
    )
    edit(zoo / "zoo.py", "seeds=3", "seeds=1")
    code, verdicts = judge(zoo)
    assert (
        code == 1
        and failed(verdicts) == {"seeds"}
        and "extra [1]" in verdicts["seeds"]["difference"]
    )


def test_epochs_are_counted_from_steps(zoo):
    edit(zoo / "zoo.py", "max_epochs=10", "max_epochs=2")
    code, verdicts = judge(zoo)
    assert code == 1 and failed(verdicts) == {"epochs"}
    edit(zoo / "zoo.py", "max_epochs=2", "max_epochs=10")
    edit_run(
        zoo,
        0,
        reseal=True,
        steps=3 * json.loads((zoo / "results.json").read_text())["runs"][0]["steps"],
    )
    code, verdicts = judge(zoo)
    assert code == 1 and "2 epochs in the history" in verdicts["epochs"]["observed"]


@pytest.mark.parametrize("name", [SEED0, SEED1])
def test_missing_and_corrupt_weights_are_never_a_pass(zoo, name):
    path = zoo / "weights" / name
    content = path.read_bytes()
    path.write_bytes(content[:100])
    assert judge(zoo)[0] == 1
    path.unlink()
    code, verdicts = judge(zoo)
    assert (
        code == 3
        and verdicts["accuracy"]["status"] == "not_run"
        and name in verdicts["accuracy"]["observed"]
    )


def test_a_network_that_cannot_be_traced_is_never_a_pass(zoo):
    edit(
        zoo / "zoo.py",
        "def forward(self, x):",
        "def forward(self, x):\n        raise RuntimeError('no')",
    )
    code, verdicts = judge(zoo, "--only", "params,structure")
    assert (
        code == 3
        and verdicts["params"]["status"] == "not_run"
        and "no" in verdicts["params"]["observed"]
    )


def test_a_gate_that_breaks_is_an_error_and_never_a_pass(small_entry):
    def break_off(spec: DataSpec) -> Dataset:
        raise ZeroDivisionError("a fault of ours")

    verdict = judge_gate("leak", small_entry, observe_runs(small_entry, load=break_off))
    assert verdict.status == "error" and "ZeroDivisionError: a fault" in verdict.observed


def test_runs_of_an_entry_that_is_gone_are_found(zoo):
    edit(zoo / "zoo.py", 'name="tiny"', 'name="other"')
    code, verdicts = judge(zoo)
    assert code == 1 and "no such entry" in verdicts["chain"]["observed"]
