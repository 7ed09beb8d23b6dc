"""The bench as a command: what it merges, where it goes on, what it refuses, on the real sample."""

import argparse
import json
import re

import pytest
import torch

from bench import accuracy, large, neighbour, point, quick, results
from bench.__main__ import MEASUREMENTS, main, parse_options
from bench.choice import Choice
from torchbudget.data.images import Dataset
from torchbudget.data.split import split_train_val
from torchbudget.errors import UsageError
from torchbudget.network.structure import count_params


@pytest.fixture
def bench(tmp_path, capsys):
    def run(*words: str) -> tuple[int, str, str]:
        places = [
            "--out",
            str(tmp_path / "results.json"),
            "--checkpoints",
            str(tmp_path / "checkpoints"),
        ]
        return main([*words, *places]), *capsys.readouterr()

    return run


ON_SAMPLE = (
    "--entry",
    "lenet_sgd",
    "--dataset",
    "mnist_sample",
    "--seeds",
    "1",
    "--epochs",
    "1",
    "--repeats",
    "1",
)


def test_what_is_measured_is_merged_with_what_stands_there(bench, tmp_path):
    results.merge(tmp_path / "results.json", "startup", {"figures": "earlier"})
    code, out, _ = bench("accuracy", *ON_SAMPLE)
    assert code == 0
    assert "seeds within 6 of 1,000" in out
    found = results.read_measurements(tmp_path / "results.json")
    assert set(found) == {"startup", "accuracy"} <= set(MEASUREMENTS)
    assert found["startup"] == {"figures": "earlier"}
    assert {"figures", "hardware", "versions", "commit", "started", "choice"} <= set(
        found["accuracy"]
    )
    (run,), (row,) = (
        found["accuracy"]["figures"]["ours"]["runs"],
        found["accuracy"]["figures"]["published"]["curve"],
    )
    assert 0 < run["misses"] <= 1_000 and run["seconds"] > 0 and row["misses"] > 0
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    assert list((tmp_path / "checkpoints").rglob("*.pt")) == []


def test_sprint_is_raced_beside_dash_and_compared_with_the_runs_that_were_kept(bench, tmp_path):
    """With the words of `python -m bench --help`, but for two seeds."""
    words = "--dataset mnist_sample --seeds 2 --epochs 1".split()
    code, out, _ = bench("accuracy", *words)
    assert code == 0
    measured = results.read_measurements(tmp_path / "results.json")["accuracy"]
    figures = measured["figures"]
    ours, dash = figures["ours"], figures["dash"]
    assert (len(ours["runs"]), len(dash["runs"])) == (2, 6)
    assert dash["share"] == pytest.approx(dash["mean_seconds"] / ours["mean_seconds"])
    assert 0 <= dash["p_more_misses"] <= 1 and dash["max_misses"] == 10
    kept = results.read_measurements(accuracy.KEPT)["accuracy"]
    assert figures["kept"] == accuracy.compare_with(kept, figures)
    again = accuracy.compare_with(measured, figures)
    assert again["ratio"] == 1 and again["p_as_fast"] == pytest.approx(1)
    assert accuracy.describe_comparison(again)[0].startswith("faster than the kept runs")
    elsewhere = {**measured, "hardware": measured["hardware"] | {"cpu": "another"}}
    assert accuracy.compare_with(elsewhere, figures).keys() == {"commit", "cpu"}
    assert "dash: seconds / sprint's" in out
    assert " ".join(accuracy.describe_comparison(figures["kept"])[0].split()) in out
    assert "of another" in accuracy.describe_comparison({"commit": "c", "cpu": "another"})[1]
    assert (tmp_path / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_an_interrupted_race_goes_on_where_it_was_and_another_does_not(tmp_path, sample, capsys):
    choice = Choice(named="lenet_sgd", data="mnist_sample", seeds=1, epochs=1, checkpoints=tmp_path)
    vars(choice)["dataset"] = Dataset("mnist_sample", sample.train[torch.arange(300)], sample.test)
    race = accuracy.Race(choice, choice.entry)
    race.runs["ours"].append({"seed": 0, "misses": 3})
    race.turns = ["ours", "published"]
    race.turn()
    again, other = (
        accuracy.Race(choice, choice.entry),
        accuracy.Race(choice, choice.zoo["lenet_adam"]),
    )
    again.resume()
    assert (again.done, again.curve, again.runs) == (2, race.curve, race.runs)
    other.folder = again.folder
    other.resume()
    assert other.done == 0 and "anew" in capsys.readouterr().out


def test_wrong_usage_missing_data_and_a_foreign_file_are_one_line_each(bench, tmp_path):
    code, _, err = bench("accuracy", *ON_SAMPLE[2:], "--entry", "vgg_ensemble")
    assert (code, err.count("\n")) == (2, 1) and "ensemble" in err
    code, _, err = bench("accuracy", "--data-root", str(tmp_path))
    assert (code, err.count("\n")) == (3, 1) and "lacks" in err
    (tmp_path / "results.json").write_text(json.dumps([1]))
    code, _, err = bench("epoch", *ON_SAMPLE)
    assert (code, err.count("\n")) == (3, 1) and "--out" in err
    assert (tmp_path / "results.json").read_text() == "[1]"


@pytest.mark.parametrize(
    "words", [["nothing"], ["--repeats", "0"], ["--seeds", "x"], ["--dataset", "no"]]
)
def test_options_that_cannot_be_are_refused(words, capsys):
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bench: ")


def test_a_bench_is_written_beside_the_code_only_when_that_is_asked_for():
    assert str(parse_options(["epoch"]).out) == "results/bench.json"
    assert str(parse_options(["epoch", "--record"]).out) == "bench/results.json"


@pytest.mark.parametrize("words", ["--dataset=mnist_sample", "--seeds=3", "--epochs=2"])
def test_a_bench_that_is_cut_short_is_not_kept(words):
    with pytest.raises(UsageError, match="cut short"):
        parse_options([words, "epoch", "--record"])


def test_a_point_of_growth_is_what_it_was_asked_for(sample, small_entry):
    train, val = split_train_val(sample, 100)
    options = argparse.Namespace(repeats=1, batch_size=200, width=4)
    found = point.run_point(
        point.change_entry(small_entry, options), train[torch.arange(400)], val, sample.test, 1
    )
    assert found["steps"] == 2 and len(found["seconds"]) == 1
    assert (
        found["params"] == count_params(point.Growing(4))
        and found["peak_bytes"] >= found["loaded_bytes"] > 50e6
    )


def test_a_large_zoo_is_measured_whole_and_by_what_changed():
    rows = large.measure_size(3, [2])
    assert [(row["what"], row["changed"]) for row in rows] == [
        ("whole", 3),
        ("weights", 2),
        ("budgets", 1),
    ]
    assert all(row["seconds"] > 0 and row["mib"] > 50 for row in rows)
    assert "zoo.py, --since" in large.describe({"only": large.ONLY, "rows": rows})


# --- is it slower? --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("now", "word"),
    [
        ([10.0, 20.1, 29.8], "no slower"),
        ([13.0, 26.2, 38.8], "slower"),
        ([5.0, 10.1, 14.8], "faster"),
        ([5.0, 20.0, 80.0], "not known: too noisy"),
    ],
)
def test_a_ratio_of_neighbours_in_time_says_whether_it_is_slower(now, word):
    found = quick.compare(now, [10.0, 20.0, 30.0])
    assert found["low"] <= found["mean"] <= found["high"]
    assert quick.judge(found) == word


def test_an_earlier_commit_is_measured_in_a_tree_of_its_own_which_is_gone_afterwards():
    commit = quick.find_commit("HEAD")
    with quick.checked_out(commit) as tree:
        assert tree != quick.ROOT and (tree / "zoo.py").is_file()
        assert quick.epoch_seconds(Choice(named="sprint", data="mnist_sample"), tree) > 0
    assert not tree.exists()
    with pytest.raises(UsageError, match="git has not nonsense to compare with"):
        quick.find_commit("nonsense")


def test_the_bench_says_beforehand_how_long_it_took_when_it_was_last_kept():
    assert re.fullmatch(r"some \d+ minutes, as on .+", results.forecast(["epoch", "accuracy"]))
    assert results.forecast(["nothing"]).startswith("how long it will take is not known")


def test_each_way_to_wait_is_the_only_one_that_its_process_is_told(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    for waits in neighbour.WAITS.values():
        told = neighbour.environment(waits)
        assert {name: told[name] for name in neighbour.VARIABLES if name in told} == waits


def test_the_neighbour_is_busy_and_goes():
    with neighbour.busy_neighbour() as process:
        assert process.poll() is None
    assert process.wait() != 0
