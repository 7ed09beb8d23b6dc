"""predict.py from its command line: pictures, a competition's file, and the check for overlap."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from csv_files import write_csv
from PIL import Image

import predict
import train
from torchbudget.evidence.results import read_results
from utils import export

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def competition(trained_zoo, sample, tmp_path_factory):
    """A folder with train.csv, test.csv and planted.csv.

    `tiny` was trained on no image of train.csv and test.csv. planted.csv shares three images with
    train.csv.
    """
    folder = tmp_path_factory.mktemp("competition")
    images = sample.train[torch.arange(0, 4_000, 10)]
    write_csv(folder / "train.csv", images.pixels, images.labels)
    write_csv(folder / "test.csv", sample.test.pixels[::10])
    write_csv(folder / "planted.csv", torch.cat([sample.test.pixels[:20], images.pixels[:20]]))
    return folder


@pytest.fixture
def pictures(sample, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for digit in (1, 7):
        image = sample.test.pixels[sample.test.labels == digit][0, 0]
        Image.fromarray(255 - image.numpy()).resize((300, 300)).save(folder / f"{digit}.png")
    return folder


def run(capsys, *words) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    code = predict.main([str(word) for word in words])
    return code, *capsys.readouterr()


def refuse(capsys, *words) -> str:
    """What is said of words that are wrong usage."""
    code, out, err = run(capsys, *words)
    assert code == 2 and not out and len(err.splitlines()) == 1
    return err


def train_on(capsys, folder, *words) -> tuple[int, str, str]:
    places = [
        f"--{name}={folder / path}"
        for name, path in (
            ("results", "results.json"),
            ("output", "results"),
            ("checkpoints", "checkpoints"),
        )
    ]
    code = train.main(
        [
            "tiny",
            "--zoo",
            str(folder / "zoo.py"),
            f"--weights={folder / 'weights'}",
            *places,
            *map(str, words),
        ]
    )
    return code, *capsys.readouterr()


def rows_of(path) -> list[list[int]]:
    header, *lines = path.read_text().splitlines()
    assert header == "ImageId,Label"
    return [[int(value) for value in line.split(",")] for line in lines]


# --- pictures -------------------------------------------------------------------------------------


def test_the_shipped_network_reads_pictures_and_folders(pictures, capsys):
    code, out, err = run(capsys, pictures, pictures / "7.png")
    assert (code, err) == (0, "")
    assert [line.split(" (")[0] for line in out.splitlines()] == [
        f"{pictures}/1.png: 1",
        f"{pictures}/7.png: 7",
    ]


def test_programs_are_told_the_same(pictures, capsys):
    _, lines, _ = run(capsys, pictures)
    code, out, _ = run(capsys, pictures, "--json")
    found = json.loads(out)
    assert code == 0 and found["entry"] == "slim" and found["unreadable"] == []
    shown = [
        f"{row['file']}: {row['digit']} ({row['confidence']:.2%}), "
        f"runner-up {row['runner_up']} ({row['runner_up_confidence']:.2%})"
        for row in found["predictions"]
    ]
    assert shown == lines.splitlines()
    assert all(
        row["digit"] != row["runner_up"]
        and 1 >= row["confidence"] > row["runner_up_confidence"] >= 0
        for row in found["predictions"]
    )


def test_what_cannot_be_read_is_named_and_the_others_are_predicted(pictures, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (pictures / "2.png").write_text("no picture")
    Image.new("L", (40, 40), 255).save(pictures / "3.png")
    code, out, err = run(capsys, tmp_path / "empty", pictures, tmp_path / "nowhere.jpg")
    assert code == 3 and len(out.splitlines()) == 2
    assert [line.split(" ")[1] for line in err.splitlines()] == [
        f"{tmp_path}/{name}"
        for name in ("empty", "pictures/2.png", "pictures/3.png", "nowhere.jpg")
    ]
    assert all(line.startswith("predict.py: ") for line in err.splitlines())
    code, out, _ = run(capsys, tmp_path / "empty", "--json")
    assert code == 3 and json.loads(out)["predictions"] == []


WITHOUT_TORCH = """
import sys
import predict
code = predict.main(sys.argv[1:])
assert "torch" not in sys.modules
sys.exit(code)
"""


def test_an_exported_network_reads_the_same_without_torch(pictures, tmp_path, capsys):
    assert export.main(["slim", "--out", str(tmp_path), "--zoo", str(write_zoo(tmp_path))]) == 0
    capsys.readouterr()
    file = tmp_path / "slim.onnx"
    _, by_torch, _ = run(capsys, pictures)
    words = [sys.executable, "-c", WITHOUT_TORCH, pictures, "--onnx", file]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout, done.stderr) == (0, by_torch, "")
    _, out, _ = run(capsys, pictures, "--onnx", file, "--json")
    assert json.loads(out)["entry"] == "slim"


def write_zoo(folder: Path) -> Path:
    """A zoo file with the shipped `slim` as if it were the sample's; its weights beside it."""
    (folder / "weights").mkdir()
    weights = folder / "weights/slim-seed0-mnist_sample.safetensors"
    shutil.copy(ROOT / "weights/slim-seed0.safetensors", weights)
    file = folder / "zoo.py"
    file.write_text(
        "from model import Slim\nfrom torchbudget import Budget, Entry\n"
        "from torchbudget.data import MNIST_SAMPLE\n"
        'ZOO = (Entry(name="slim", network=Slim, data=MNIST_SAMPLE, budget=Budget(max_params=2)),)'
    )
    return file


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("nowhere.onnx", "nowhere.onnx cannot be read: No such file or directory"),
        ("README.md", "README.md is no ONNX model: "),
    ],
)
def test_a_file_that_is_no_exported_network_is_named(file, reason, pictures, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    code, out, err = run(capsys, pictures, "--onnx", file)
    assert (code, out) == (3, "") and reason in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "code", "reason"),
    [
        (["--entry", "nobody"], 2, "no entry 'nobody'"),
        (["--zoo", "nowhere.py"], 2, "nowhere.py is not a file"),
        (["--seed", "9"], 3, "slim-seed9.safetensors is missing"),
        (["--weights", "README.md"], 3, "README.md is"),
        (["--entry", "fashion_slim", "--zoo", str(ROOT / "zoo.py")], 2, "tells clothes apart"),
    ],
)
def test_what_is_missing_is_named(words, code, reason, pictures, zoo_file, capsys, monkeypatch):
    monkeypatch.chdir(zoo_file.parent)
    found, out, err = run(capsys, pictures, *words)
    assert (found, out) == (code, "") and reason in err and len(err.splitlines()) == 1


def test_wrong_usage_is_named(capsys):
    assert "give picture files and folders, or --csv FILE" in refuse(capsys)
    assert "give picture files and folders, or --csv FILE" in refuse(
        capsys, "a.png", "--csv", "b.csv"
    )
    assert "--csv FILE and --out FILE go together" in refuse(capsys, "--csv", "b.csv")
    assert "--json is for pictures" in refuse(capsys, "--csv", "b.csv", "--out", "c.csv", "--json")
    assert "are for --csv FILE" in refuse(capsys, "a.png", "--drop-overlap")


# --- a competition's file -------------------------------------------------------------------------


def test_the_kaggle_round_trip(zoo, competition, capsys):
    code, out, _ = train_on(
        capsys, zoo, "--train-csv", competition / "train.csv", "--against", competition / "test.csv"
    )
    assert (
        code == 0
        and "66 of them held out as test" in out
        and "This run is no evidence for the budget of tiny (trained on kaggle_csv)" in out
    )
    record = next(run for run in read_results(zoo / "results/results.json"))
    assert (record.stem, record.test.total, record.train_images + record.val_images) == (
        "tiny-seed0-kaggle_csv",
        66,
        334,
    )
    assert not (zoo / "weights" / f"{record.stem}.safetensors").exists()
    asked = [
        "--zoo",
        zoo / "zoo.py",
        "--entry",
        "tiny",
        "--csv",
        competition / "test.csv",
        "--out",
        zoo / "submission.csv",
    ]
    code, out, err = run(capsys, *asked, "--train-csv", competition / "train.csv")
    assert (code, err) == (0, "") and "none of 100 images to be predicted is among those of" in out
    assert [row for row, _ in rows_of(zoo / "submission.csv")] == list(range(1, 101))
    named = (*asked, "--weights", zoo / "results/weights" / f"{record.stem}.safetensors")
    assert "name it with --train-csv" in run(capsys, *named)[2]
    write_csv(
        zoo / "other.csv",
        torch.zeros(200, 1, 28, 28, dtype=torch.uint8),
        torch.zeros(200, dtype=torch.long),
    )
    code, _, err = run(capsys, *named, "--train-csv", zoo / "other.csv")
    assert code == 3 and "was not trained on" in err


def test_training_on_what_is_to_be_predicted_is_void_unless_dropped(zoo, competition, capsys):
    words = ("--train-csv", competition / "train.csv", "--against", competition / "planted.csv")
    code, _, err = train_on(capsys, zoo, *words)
    assert (
        code == 1
        and err.startswith("train.py: VOID: ")
        and "are also in the file to be predicted; --drop-overlap leaves them out" in err
    )
    code, out, _ = train_on(capsys, zoo, *words, "--drop-overlap")
    assert code == 0 and "images left out of training" in out
    asked = (
        "--zoo",
        zoo / "zoo.py",
        "--entry",
        "tiny",
        "--out",
        zoo / "submission.csv",
        "--train-csv",
        competition / "train.csv",
    )
    code, out, _ = run(capsys, *asked, "--csv", competition / "planted.csv")
    assert code == 0 and len(rows_of(zoo / "submission.csv")) == 40


def test_a_run_on_one_file_never_goes_on_with_another(zoo, competition, sample, capsys):
    assert (
        train_on(capsys, zoo, "--train-csv", competition / "train.csv", "--recipe.epochs=1")[0] == 0
    )
    other = write_csv(zoo / "other.csv", sample.train.pixels[1:400], sample.train.labels[1:400])
    code, _, err = train_on(capsys, zoo, "--train-csv", other, "--recipe.epochs=1", "--resume")
    assert code == 3 and "trained on other images" in err


def test_weights_that_learnt_images_of_the_file_are_void_for_it_unless_those_are_left_out(
    zoo, sample, capsys
):
    write_csv(zoo / "test.csv", torch.cat([sample.test.pixels[:4], sample.train.pixels[:2]]))
    asked = (
        "--zoo",
        zoo / "zoo.py",
        "--entry",
        "tiny",
        "--csv",
        zoo / "test.csv",
        "--out",
        zoo / "submission.csv",
    )
    code, out, err = run(capsys, *asked)
    assert (code, out) == (1, "") and len(err.splitlines()) == 1
    assert (
        "VOID: 2 of 6 images to be predicted (rows 5, 6) are among those of mnist_sample "
        "that the weights were trained on" in err
    )
    assert not (zoo / "submission.csv").exists()
    code, out, _ = run(capsys, *asked, "--drop-overlap")
    assert code == 0 and "left out, so this is not a whole submission" in out
    assert [row for row, _ in rows_of(zoo / "submission.csv")] == [1, 2, 3, 4]
    write_csv(zoo / "test.csv", sample.train.pixels[:2])
    assert run(capsys, *asked, "--drop-overlap")[0] == 1


def test_weights_of_no_record_predict_no_file(zoo, competition, capsys):
    (zoo / "results.json").unlink()
    asked = (
        "--zoo",
        zoo / "zoo.py",
        "--entry",
        "tiny",
        "--csv",
        competition / "test.csv",
        "--out",
        zoo / "submission.csv",
    )
    code, _, err = run(capsys, *asked)
    assert code == 3 and "belongs to no record" in err and not (zoo / "submission.csv").exists()


@pytest.mark.parametrize(
    "words", [("--against", "test.csv"), ("--drop-overlap",), ("--all", "--train-csv", "train.csv")]
)
def test_options_that_do_not_go_together_are_refused(words, zoo, capsys):
    code, _, err = train_on(capsys, zoo, *words)
    assert code == 2 and "--train-csv" in err


def test_a_name_with_a_hyphen_is_read_as_it_is(zoo, capsys):
    code, _, err = train_on(capsys, zoo, f"--train-csv={zoo / 'no-such-file.csv'}")
    assert code == 3 and "no-such-file.csv cannot be read: No such file" in err
