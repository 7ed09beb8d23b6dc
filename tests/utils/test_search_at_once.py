"""A study with two trials at once: every trial told once, the poor pruned, the lost tried again."""

from collections import Counter

import optuna
import pytest
from test_runs_at_once import make_zoo, workers

import search
from utils.study import open_storage


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> optuna.Study:
    """Eight trials; the worker of one of them is killed in its second epoch."""
    folder = tmp_path_factory.mktemp("search")
    zoo_file = make_zoo(folder, "deadly")
    words = ["deadly", "--zoo", str(zoo_file), "--out", str(folder / "out"), "--trials", "8"]
    words += ["--search", "schedule.max_lr=1e-9:0.2", "--jobs", "2", "--threads", "1"]
    assert search.main(words) == 0
    (path,) = (folder / "out").glob("*.db")
    return optuna.load_study(study_name=path.stem, storage=open_storage(f"sqlite:///{path}"))


def test_every_trial_is_told_once_and_the_lost_one_is_tried_again(study):
    trials = study.get_trials()
    states = Counter(trial.state.name for trial in trials)
    assert states["COMPLETE"] + states["PRUNED"] == 8
    assert states["FAIL"] == 1 and len(trials) == 9
    (lost,) = [trial for trial in trials if trial.state.name == "FAIL"]
    tries = [trial for trial in trials if trial.params == lost.params]
    assert len(tries) == 2 and tries[1].state.name in ("COMPLETE", "PRUNED")
    assert trials[0].params["schedule.max_lr"] == 0.05  # as declared
    assert not workers()


def test_poor_trials_are_pruned_by_what_the_others_have_told(study):
    pruned = [trial for trial in study.get_trials() if trial.state.name == "PRUNED"]
    assert pruned
    for trial in pruned:
        assert "misses after epoch" in trial.user_attrs["why"]
        assert 0 < len(trial.intermediate_values) < 3


def test_a_whole_trial_has_told_of_every_epoch(study):
    for trial in study.get_trials():
        if trial.state.name == "COMPLETE":
            assert sorted(trial.intermediate_values) == [0, 1, 2]
            assert 0 <= trial.value <= 100
