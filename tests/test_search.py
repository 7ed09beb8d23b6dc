"""A search chooses on val alone, starts from the declared recipe, keeps the budget and resumes."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch
from tiny_zoo import ZOO, Tiny
from torch import nn

import search
from torchbudget.data.images import Dataset
from torchbudget.declare.budget import Budget
from utils import entry as declarations
from utils.recipe import SGD, Constant, Recipe
from utils.space import make_space
from utils.study import best_trial, finished, open_storage

ROOT = Path(__file__).resolve().parent.parent
TINY = replace(
    ZOO[0], recipe=replace(ZOO[0].recipe, epochs=1, batch_size=10, amp="off", val_images=100)
)


class Stretch(Tiny):
    """More parameters without more work."""

    def __init__(self, spare: int = 10):
        super().__init__()
        self.spare = nn.Parameter(torch.zeros(spare))


@pytest.fixture(scope="module")
def few(sample) -> Dataset:
    """400 of the sample's training images, 40 a digit, and test images that nobody can touch."""
    return Dataset("mnist_sample", sample.train[torch.arange(0, 4_000, 10)], None)


@pytest.fixture
def run(few, tmp_path):
    """Search `entry` with these words and return the study.

    A second search in the same folder continues the study.
    """

    def go(entry=TINY, words: str = "", dataset=few, out: str = "a") -> optuna.Study:
        options = search.parse(
            [
                "tiny",
                "--trials",
                "3",
                "--out",
                str(tmp_path / out),
                "--zoo",
                str(ROOT / "tests/tiny_zoo.py"),
                *words.split(),
            ]
        )
        search.search(make_space(entry, options.search, options.fix), dataset, options)
        (path,) = (tmp_path / out).glob("*.db")
        return optuna.load_study(study_name=path.stem, storage=open_storage(f"sqlite:///{path}"))

    return go


def told(study):
    return [(trial.params, trial.value, trial.state) for trial in study.get_trials()]


# --- the study ------------------------------------------------------------------------------------


def test_the_first_trial_is_the_declared_recipe_and_the_best_is_what_is_printed(
    run, capsys, tmp_path
):
    study = run()
    printed = capsys.readouterr().out
    text = printed.split("        recipe=")[1].split("\n\n")[0].removesuffix(",")
    space, best = make_space(TINY), best_trial(study)
    assert space.apply(study.trials[0].params).recipe == TINY.recipe
    assert eval(text, vars(declarations)) == space.apply(best.params).recipe
    assert (
        best.value == min(trial.value for trial in finished(study))
        and f"{best.value:.0f} val misses of 100" in printed
    )
    assert "test images were not read" in " ".join(printed.splitlines()[-3:])
    assert [path.read_bytes()[:4] for path in sorted((tmp_path / "a").glob("*.png"))] == [
        b"\x89PNG"
    ]
    assert "too few trials to say which numbers matter" in printed


def test_short_trials_are_named_and_the_recipe_to_paste_keeps_its_epochs(sample, tmp_path, capsys):
    words = ["tiny", ZOO_FILE, "--trials=1", "--epochs=1", f"--out={tmp_path}"]
    options = search.parse(words)
    space = search.find_space(options)
    assert space.entry.recipe.epochs == 1
    assert search.search(space, Dataset("mnist_sample", sample.train, None), options) == 0
    printed = capsys.readouterr().out
    assert "recipe=Recipe(epochs=2," in " ".join(printed.replace("(\n", "(").split()).replace(
        "( ", "("
    )
    assert "The trials had 1 epochs, the recipe declares 2" in printed
    assert "--recipe.epochs" not in printed and "as declared" not in printed


def test_a_study_that_stopped_goes_on_as_if_it_never_had(run):
    run()
    study = run(words="--trials 5")
    assert told(study) == told(run(words="--trials 5", out="b")) and len(finished(study)) == 5
    assert len({trial.value for trial in study.trials}) > 2


def test_the_test_images_play_no_part(run, sample, few):
    assert told(run(words="--trials 2")) == told(
        run(words="--trials 2", dataset=Dataset("mnist_sample", few.train, sample.test), out="b")
    )


def test_a_network_over_budget_is_neither_trained_nor_best(run, capsys):
    entry = replace(
        TINY, network=Stretch, budget=Budget(max_params=2_300, max_epochs=10, max_misses=900)
    )
    study = run(entry, "--trials 8 --search network.spare=1:400")
    over = [trial for trial in study.trials if max(trial.constraints.values()) > 0]
    assert 0 < len(over) < 8 and all(
        trial.state.name == "PRUNED" and not trial.intermediate_values for trial in over
    )
    assert max(best_trial(study).constraints.values()) <= 0
    assert "fewer than 2,300" in capsys.readouterr().out


def test_a_diverging_trial_is_pruned_and_the_study_goes_on(run):
    recipe = Recipe(
        epochs=1,
        batch_size=50,
        optimizer=SGD(),
        schedule=Constant(lr=1e3),
        amp="off",
        val_images=100,
    )
    study = run(
        replace(TINY, network=Unbounded, recipe=recipe, budget=ROOMY),
        "--search schedule.lr=1e-5:1e3:log",
    )
    assert (
        study.trials[0].state.name == "PRUNED"
        and "the loss is" in study.trials[0].user_attrs["why"]
    )
    assert len(finished(study)) == 3


ROOMY = Budget(max_params=50_000, max_epochs=10, max_misses=900)


class Unbounded(nn.Sequential):
    def __init__(self):
        super().__init__(
            nn.Flatten(),
            nn.Linear(784, 50),
            nn.ReLU(),
            nn.Linear(50, 50),
            nn.ReLU(),
            nn.Linear(50, 10),
        )


class Overflowing(Tiny):
    """Its loss stays finite while a running variance overflows."""

    def forward(self, x):
        x = self.norm2(1e25 * self.conv2(self.norm1(self.conv1(x))))
        return self.classify(x.mean((2, 3)))


def test_a_trial_whose_statistics_diverge_is_pruned_and_told_so(run):
    study = run(replace(TINY, network=Overflowing, budget=ROOMY), "--trials 1")
    assert study.trials[0].state.name == "PRUNED"
    assert "norm2.running_var" in study.trials[0].user_attrs["why"]
    assert "training diverged" in study.trials[0].user_attrs["why"]


def test_poor_trials_are_pruned_before_their_last_epoch(run):
    entry = replace(
        TINY,
        recipe=replace(TINY.recipe, epochs=3, schedule=Constant(lr=0.05), augment=(), average=None),
    )
    words = "--search schedule.lr=1e-9:0.1 --fix optimizer --fix batch_size"
    study = run(entry, f"{words} --trials 5")
    study.enqueue_trial({"schedule.lr": 1e-9, "label_smoothing": 0.0})
    *_, poor = run(entry, f"{words} --trials 6").trials
    assert poor.state.name == "PRUNED" and 0 < len(poor.intermediate_values) < 3
    assert "misses after epoch" in poor.user_attrs["why"]


class Interrupting(Tiny):
    """Ctrl-C at the fortieth batch of its process."""

    seen = 0

    def forward(self, x):
        Interrupting.seen += self.training
        if Interrupting.seen == 40:
            raise KeyboardInterrupt
        return super().forward(x)


def test_an_interrupted_trial_is_the_next_to_be_tried(run):
    entry = replace(TINY, network=Interrupting)
    with pytest.raises(KeyboardInterrupt):
        run(entry)
    trials = run(entry).trials
    (broken,) = [trial for trial in trials if trial.state.name == "FAIL"]
    assert broken.params == trials[broken.number + 1].params and trials[
        broken.number + 1
    ].state.name in ("COMPLETE", "PRUNED")
    assert len(trials) == 4


# --- what cannot be searched ----------------------------------------------------------------------

ZOO_FILE = f"--zoo={ROOT / 'tests/tiny_zoo.py'}"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["none", ZOO_FILE], 2, "no entry 'none'"),
        (["net3"], 2, "val_images=0"),
        (["vgg_ensemble"], 2, "is an ensemble and has no recipe to search"),
        (["tiny", ZOO_FILE, "--trials=0"], 2, "is less than 1"),
        (["tiny", ZOO_FILE, "--search=schedule.lr=0.1:0.2"], 2, "schedule.max_lr"),
        (["tiny", ZOO_FILE, "--search=schedule.max_lr=0.2:0.1"], 2, "below"),
        (["tiny", ZOO_FILE, "--search=schedule.max_lr"], 2, "FIELD=LOW:HIGH"),
        (["tiny", ZOO_FILE, "--search=label_smoothing=0:2"], 2, "from 0 to 0.999"),
        (["tiny", ZOO_FILE, "--search=batch_size=4.5:9"], 2, "whole numbers"),
        (["tiny", ZOO_FILE, "--fix=optimiser"], 2, "optimizer.momentum"),
        (["tiny", ZOO_FILE, "--study=a/b"], 2, "names files"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(words, code, said, capsys, tmp_path):
    assert search.main([*words, f"--out={tmp_path}"]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("search.py: ") and said in line


@pytest.mark.parametrize(
    ("url", "usage", "said"),
    [
        ("study.db", True, "takes a URL"),
        ("abacus://ada:secret@host/x", True, "abacus"),
        ("postgresql://ada:secret@host/x", False, "psycopg"),
        ("sqlite:////nowhere/at/all.db", False, "unable to open"),
        ("sqlite:///{}", False, "not a database"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_named_without_its_password(url, usage, said, tmp_path):
    (tmp_path / "text").write_text("no database at all " * 100)
    with pytest.raises(search.studies.StudyError, match=said) as refused:
        open_storage(url.format(tmp_path / "text"))
    assert (
        refused.value.exit_code == (2 if usage else 3)
        and "secret" not in str(refused.value)
        and "\n" not in str(refused.value)
    )


def test_a_study_of_another_search_is_refused(run):
    run(words="--trials 1")
    with pytest.raises(search.studies.StudyError, match=r"recipe\.label_smoothing 0\.0.*--study"):
        run(replace(TINY, recipe=replace(TINY.recipe, label_smoothing=0.1)))
