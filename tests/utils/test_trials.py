"""Trials: by val alone, each training once, kept in a book that survives whatever ends them."""

import hashlib
import json
import math
import threading
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import torch

import train
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_dataset
from torchbudget.data.mnist import IDX_HEADERS
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import ResultsError
from torchbudget.evidence.measure import on_threads
from torchbudget.evidence.results import read_results
from utils import checkpoint
from utils.epochs import train_epochs
from utils.lab_book import Trial, add_to_book, read_book
from utils.runs import RunPaths
from utils.training import Training
from utils.trial_command import describe_command, read_seeds
from utils.trials import Laboratory, compare, describe_difference
from utils.trials_table import main as print_table

ROOT = Path(__file__).resolve().parent.parent.parent


class Lab(SimpleNamespace):
    """A folder with a zoo, and a root that has training images and no file of test images."""

    def try_out(self, *words: str) -> int:
        return train.main([*words, "--zoo", str(self.zoo), "--data-root", str(self.root)])

    @property
    def book(self) -> Path:
        return self.zoo.parent / "lab/trials.jsonl"


def make_lab(folder: Path, contents: dict[str, bytes]) -> Lab:
    raw = folder / "root/MNIST/raw"
    raw.mkdir(parents=True)
    for name in list(IDX_HEADERS)[:2]:
        (raw / name).write_bytes(contents[name])
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    text = (ROOT / "tests/trial_zoo.py").read_text(encoding="utf-8")
    zoo = folder / "zoo.py"
    zoo.write_text(text.replace("DIGESTS = {}", f"DIGESTS = {digests}"), encoding="utf-8")
    return Lab(zoo=zoo, root=folder / "root")


@pytest.fixture
def lab(tmp_path, contents) -> Lab:
    return make_lab(tmp_path, contents)


@pytest.fixture
def trained_lab(lab, contents) -> Lab:
    """The same with the files of the test images, and a shipped run of `small`."""
    for name in list(IDX_HEADERS)[2:]:
        (lab.root / "MNIST/raw" / name).write_bytes(contents[name])
    assert lab.try_out("small") == 0
    return lab


def test_a_trial_loads_no_test_image(lab, sample, capsys):
    """There is none to load: the files of the test images are missing."""
    assert lab.try_out("small", "--trial", "--seeds", "0-1", "--recipe.epochs", "1") == 0
    (trial,) = read_book(lab.book)
    assert (trial.seeds, trial.train_images, trial.val_images) == ([0, 1], 2_000, 2_000)
    assert "no test image was loaded" in capsys.readouterr().out
    assert lab.try_out("small", "--recipe.epochs", "1") == 3  # a run reads test, and cannot
    assert "lacks t10k" in capsys.readouterr().err


def test_a_trial_trains_on_the_threads_that_are_asked_for_and_says_so(lab):
    with on_threads(1):  # and leaves this process's as they were
        assert lab.try_out("small", "--trial", "--seeds", "0", "--threads", "2") == 0
    (trial,) = read_book(lab.book)
    assert trial.hardware.threads == 2


def test_without_test_the_training_images_are_the_same():
    whole = load_dataset("mnist_sample")
    alone = load_dataset("mnist_sample", with_test=False)
    assert len(alone.test) == 0 and len(whole.test) > 0
    assert (alone.train.digest, alone.image) == (whole.train.digest, whole.image)


def test_a_comparison_trains_each_seed_once_and_says_what_the_difference_is(lab, capsys):
    words = ("small", "--trial", "--recipe.schedule.lr", "0.001", "--against", "declared")
    assert lab.try_out(*words, "--seeds", "0-2") == 0
    slow, declared = read_book(lab.book)
    assert slow.overrides == ["schedule.lr=0.001"] and declared.overrides == []
    difference = compare(slow, declared)
    assert difference.mean > 0 and describe_difference(difference) in capsys.readouterr().out
    before = lab.book.read_bytes()
    assert lab.try_out("small", "--trial", "--seeds", "1,2", "--network", "width=4") == 0
    assert lab.try_out(*words, "--seeds", "0-2") == 0
    assert capsys.readouterr().out.count("in the lab book") == 8
    assert lab.book.read_bytes() == before


def test_seeds_that_come_later_join_the_line_and_are_as_if_trained_together(tmp_path, contents):
    apart = make_lab(tmp_path / "apart", contents)
    together = make_lab(tmp_path / "together", contents)
    for seeds in ("2", "0,1"):
        assert apart.try_out("small", "--trial", "--seeds", seeds) == 0
    assert together.try_out("small", "--trial", "--seeds", "0-2") == 0
    (one,), (other,) = read_book(apart.book), read_book(together.book)
    assert one.by_seed == other.by_seed and one.seeds == [0, 1, 2]


def test_another_network_or_initialisation_is_another_trial(lab):
    for words in (("small",), ("small", "--network", "width=5"), ("loud",)):
        assert lab.try_out(*words, "--trial", "--seeds", "0", "--recipe.epochs", "1") == 0
    small, wide, loud = read_book(lab.book)
    assert wide.overrides == ["epochs=1", "network.width=5"] and wide.params > small.params
    assert small.network == loud.network and small.initial != loud.initial


def test_candidates_in_lab_share_the_book_of_the_zoo(lab, capsys):
    assert lab.try_out("loud", "--trial", "--seeds", "0", "--against", "small") == 0
    folder = lab.zoo.parent / "lab"
    lab.zoo.rename(folder / "candidates.py")
    lab.zoo = folder / "candidates.py"
    assert lab.try_out("loud", "--trial", "--seeds", "0", "--lab", str(lab.zoo)) == 2
    assert "would replace what this command reads" in capsys.readouterr().err
    assert lab.try_out("small", "--trial", "--seeds", "0") == 0
    assert "in the lab book" in capsys.readouterr().out
    assert sorted(path.name for path in folder.glob("[!_]*[!k]")) == [
        "candidates.py",
        "trials.jsonl",
    ]


def test_other_views_of_a_shipped_run_are_measured_by_its_weights(trained_lab, capsys):
    lab = trained_lab
    (run,) = read_results(lab.zoo.parent / "results.json")
    words = ("small", "--trial", "--seeds", "0")
    assert lab.try_out(*words, "--views", "View(right=9), View(flip='vertical')") == 0
    assert lab.try_out(*words, "--views", "View(right=9)") == 0
    assert lab.try_out(*words, "--against", "loud") == 0
    viewed, moved, plain, loud = read_book(lab.book)
    assert viewed.overrides == ['views=(View(right=9), View(flip="vertical"))']
    assert moved.overrides == ["views=(View(right=9),)"]
    assert plain.misses == [run.val.misses] != viewed.misses
    assert viewed.seconds == plain.seconds == [run.train_seconds] != loud.seconds
    assert capsys.readouterr().out.count("by the shipped weights") == 3


def test_a_shipped_run_of_another_recipe_is_no_trial_of_this_one(trained_lab, capsys):
    for change in ("--recipe.epochs=1", "--recipe.val-images=500", "--network=width=5"):
        assert trained_lab.try_out("small", "--trial", "--seeds", "0", change) == 0
    assert "shipped weights" not in capsys.readouterr().out


def test_an_interrupted_seed_goes_on_from_its_checkpoint(tmp_path, sample, capsys):
    entry = load_zoo(ROOT / "tests/trial_zoo.py", served=("utils",))["sampled"]
    dataset = Dataset("mnist_sample", sample.train, sample.train[torch.arange(0)])

    def laboratory(name: str) -> Laboratory:
        return Laboratory(
            dataset=dataset,
            device="cpu",
            book=tmp_path / name / "trials.jsonl",
            paths=RunPaths.beside(tmp_path / name / "zoo.py"),
            command="train.py sampled --trial",
            folder=tmp_path,
        )

    whole = laboratory("whole").run(entry, [], (0,))
    broken = laboratory("broken")
    training = Training(entry, 0, *broken.split(entry), torch.device("cpu"))
    digest = broken.plan(entry, []).digest[:16]
    folder = broken.paths.checkpoints / f"trial-sampled-{digest}-seed0"
    train_epochs(training, folder, [])
    checkpoint.list_checkpoints(folder)[-1].unlink()  # the first epoch's is left
    assert broken.run(entry, [], (0,)).misses == whole.misses
    assert "resumed after epoch 1 of 2" in capsys.readouterr().out and not folder.exists()


def example(**changes) -> Trial:
    fields = {
        "entry": "small",
        "seeds": [0],
        "misses": [3],
        "val_images": 100,
        "seconds": [1.0],
        "overrides": [],
        "params": 9,
        "dataset": "like",
        "train_images": 900,
        "precision": "fp32",
        "recipe": {},
        **dict.fromkeys(("network", "initial", "train", "val"), "0" * 64),
        "started": "2026-01-01T00:00:00+00:00",
        "commit": "unknown",
        "versions": {},
        "command": "train.py small --trial",
        "hardware": {"device": "a", "cpu": "a", "cores": 1, "threads": 1, "memory_gib": 1.0},
    }
    return msgspec.convert(fields | changes, Trial)


def test_trials_that_end_at_once_are_all_kept(tmp_path):
    book = tmp_path / "trials.jsonl"
    trials = [example(seeds=[seed], entry=f"e{seed % 2}") for seed in range(8)]
    threads = [threading.Thread(target=add_to_book, args=(book, trial)) for trial in trials]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {trial.entry: trial.seeds for trial in read_book(book)} == {
        "e0": [0, 2, 4, 6],
        "e1": [1, 3, 5, 7],
    }


def test_the_interval_is_student_s_over_the_paired_differences():
    """3.18245 is the 97.5 % quantile for 3 degrees of freedom, as tables have it."""
    seeds = [0, 1, 2, 3]
    one = example(seeds=seeds, misses=[11, 22, 33, 44], seconds=[1.0] * 4)
    other = example(seeds=[*seeds, 9], misses=[10, 20, 30, 40, 0], seconds=[1.0] * 5)
    found = compare(one, other)
    reach = 3.18245 * math.sqrt(5 / 3) / 2
    assert found.mean == 2.5 and found.num_seeds == 4
    assert (found.low, found.high) == pytest.approx((2.5 - reach, 2.5 + reach), abs=1e-4)


@pytest.mark.parametrize(
    "line",
    [b"{", b"[]", b"\xff", b'{"entry": "small"}', b"", b'{"a": 1}', b"null"],
)
def test_a_damaged_book_is_named_with_the_line_before_anything_is_trained(lab, line, capsys):
    good = json.dumps(msgspec.to_builtins(example()))
    lab.book.parent.mkdir()
    lab.book.write_bytes(good.encode() + b"\n" + line + b"\n")
    before = lab.book.read_bytes()
    assert lab.try_out("small", "--trial") == 2
    complaint = capsys.readouterr().err
    assert f"{lab.book}, line 2," in complaint and complaint.count("\n") == 1
    assert lab.book.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"seeds": [0, 1]}, "equally many"),
        ({"seeds": [], "misses": [], "seconds": []}, "no seed"),
        ({"seeds": [1, 0], "misses": [1, 1], "seconds": [1, 1]}, "ascending"),
        ({"misses": [101]}, "exceed"),
        ({"network": "0"}, "network"),
        ({"seconds": [-1.0]}, "seconds"),
    ],
)
def test_a_trial_that_contradicts_itself_is_none(tmp_path, changes, reason):
    plain = msgspec.to_builtins(example()) | changes
    (tmp_path / "book").write_text(json.dumps(plain) + "\n")
    with pytest.raises(ResultsError, match=reason):
        read_book(tmp_path / "book")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("both", "--trial"), "is an ensemble"),
        (("blind", "--trial"), "--recipe.val-images"),
        (("small", "--seeds", "0-4"), "goes with --trial"),
        (("small", "--network", "width=4"), "goes with --trial"),
        (("small", "--trial", "--record"), "--record does not go with --trial"),
        (("small", "--trial", "--resume"), "--resume does not go with --trial"),
        (("small", "--trial", "--train-csv", "a.csv"), "--train-csv does not go with --trial"),
        (("small", "--trial", "--seed", "1"), "--seeds 0-4"),
        (("small", "--trial", "--seeds", "4-0"), "4-0 is no range"),
        (("small", "--trial", "--seeds", "0-9999999"), "no range of 1 to 1,000"),
        (("small", "--trial", "--seeds", "a"), "the form is 0-4"),
        (("small", "--trial", "--seeds=-1"), "the form is 0-4"),
        (("small", "--trial", "--network", "widht=4"), "did you mean"),
        (("small", "--trial", "--network", "width=("), "is no number"),
        (("small", "--views", "View()"), "goes with --trial"),
        (("small", "--trial", "--views", ""), "the form is"),
        (("small", "--trial", "--views", "1"), "1 is no View"),
        (("small", "--trial", "--views", "View(1)"), "is no View"),
        (("small", "--trial", "--views", "View(left=1)"), "left"),
        (("small", "--trial", "--views", "View(right=exit())"), "the form is"),
        (("small", "--trial", "--views", "View(right=99)"), "right must be from -14 to 14"),
        (("small", "--trial", "--views", "View(), View()"), "different Views"),
        (("small", "--trial", "--views", "()", "--against", "declared"), "nothing of small"),
        (("small", "--trial", "--against", "declared"), "nothing of small is changed"),
        (("small", "--trial", "--against", "small"), "is what is tried"),
        (("small", "--trial", "--against", "nobody"), "no entry 'nobody'"),
        (("small", "--trial", "--against", "sampled"), "cannot be compared"),
        (
            ("small", "--trial", "--recipe.val-images", "500", "--against", "declared"),
            "hold out other val images: 500 and 2,000",
        ),
    ],
)
def test_what_cannot_be_tried_is_said_in_a_line(lab, words, reason, capsys):
    assert lab.try_out(*words) == 2
    complaint = capsys.readouterr().err
    assert reason in complaint and complaint.count("\n") == 1
    assert not lab.book.exists()


def test_seeds_are_read_in_any_order_and_once():
    assert read_seeds("7-9,3,0,8") == (0, 3, 7, 8, 9)


def test_the_command_in_the_book_names_no_place_of_this_machine(tmp_path):
    own = tmp_path / "zoo.py"
    words = ["slim", "--trial", "--zoo", str(tmp_path / "lab/c.py"), "--data-root", "/secret"]
    words += ["--lab=/secret", "--output", "/secret", "--recipe.epochs", "3"]
    assert describe_command(words, tmp_path / "lab/c.py", own) == (
        "train.py slim --trial --recipe.epochs 3 --zoo lab/c.py"
    )
    assert "secret" not in describe_command(words, Path("/secret/z.py"), own)


def test_the_table_groups_by_entry_the_newest_last_in_80_columns(tmp_path, capsys):
    book = tmp_path / "trials.jsonl"
    name = "entry_with_a_long_name"
    dates = iter(f"2026-01-{day:02d}T00:00:00+00:00" for day in range(1, 9))
    for entry, changes in ((name, ["augment=[{'kind': 'Affine', 'rotate': 5}]"]), ("b", [])):
        for lr in (2, 1):
            overrides = [*changes, f"schedule.max_lr={lr}"]
            add_to_book(book, example(entry=entry, overrides=overrides, started=next(dates)))
    add_to_book(book, example(entry=name, misses=[1], started="2025-01-01T00:00:00+00:00"))
    assert print_table(["--lab", str(book)]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    heads = [line.split() for line in lines if "2026" in line or "2025" in line]
    assert [head[0] for head in heads] == [name] * 3 + ["b"] * 2
    assert [head[-1] for head in heads[:3]] == ["2025-01-01", "2026-01-01", "2026-01-02"]
    assert "+2.0" in heads[1] and "-" in heads[0]
    assert print_table(["--lab", str(tmp_path / "none")]) == 2
