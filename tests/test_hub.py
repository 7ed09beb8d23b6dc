"""hubconf.py: `torch.hub.load`, also from a copy in a folder that knows nothing of the zoo."""

import ast
import json
import re
import shutil
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from doc_lines import read_lines, run_lines
from PIL import Image

import utils
from torchbudget.data.mnist import IMAGE
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import UsageError
from torchbudget.evidence.measure import infer
from torchbudget.evidence.results import evidence_of, read_results
from torchbudget.evidence.weights import load_shipped
from utils.hub import Transform, describe_entry, list_misses, load_network, read_zoo
from utils.picture import read_picture

ROOT = Path(__file__).resolve().parent.parent
LOCAL, GITHUB, ONNX = read_lines(ROOT / "docs/use.md")
PARTS = ("hubconf.py", "zoo.py", "model.py", "results.json", "samples", "utils", "torchbudget")
HOST = {
    "utils/__init__.py": "NAME = 'the host'",
    "utils/metrics.py": "NAME = 'metrics of the host'",
    "model.py": "NAME = 'model of the host'",
}


def copy_zoo(folder: Path, *weights: str) -> Path:
    """A copy of what torch.hub needs, with the weights files whose names match `weights`."""
    for name in PARTS:
        source = ROOT / name
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, folder / name, ignore=ignore)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, folder)
    (folder / "weights").mkdir()
    for pattern in weights:
        for path in (ROOT / "weights").glob(f"{pattern}.safetensors"):
            shutil.copy(path, folder / "weights")
    return folder


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """A folder that holds nothing but `digit-zoo`, a copy; never change it."""
    folder = tmp_path_factory.mktemp("elsewhere")
    copy_zoo(folder / "digit-zoo", "slim-seed[01]", "wide_resnet-seed0")
    return folder


def load(name: str, folder: Path = ROOT, **words: object) -> torch.nn.Module:
    return torch.hub.load(str(folder), name, source="local", **words)


def refuse(kind: type[Exception], name: str, folder: Path = ROOT, **words: object) -> str:
    """The one line that says why a network is not given."""
    with pytest.raises(kind) as caught:
        load(name, folder, **words)
    assert caught.type is kind
    (line,) = str(caught.value).splitlines()
    return line


# --- from a folder, and from GitHub ---------------------------------------------------------------


def test_the_lines_of_the_docs_read_a_digit_where_nothing_is_known_of_the_zoo(copy):
    assert len(LOCAL.splitlines()) == 3
    done = run_lines(LOCAL, copy)
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_a_download_needs_no_second_one_and_leaves_the_hosts_modules_as_they_were(copy, tmp_path):
    """torch.hub finds in its folder what it downloaded before; no network is asked for."""
    (tmp_path / "hub").mkdir()
    shutil.copytree(copy / "digit-zoo", tmp_path / "hub" / "OWNER_digit-zoo_main")
    for name, text in HOST.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    before = "import sys, model\npath = list(sys.path)\n"
    after = """
import utils.metrics
assert sys.path == path
assert not {"zoo", "utils.recipe"} & set(sys.modules)
print(utils.NAME, utils.metrics.NAME, model.NAME, sep=", ")
print(network.meta["seed"], network(torch.zeros(1, 1, 28, 28)).shape)
"""
    done = run_lines(before + GITHUB + after, tmp_path, TORCH_HOME=str(tmp_path))
    assert done.returncode == 0, done.stderr
    listed, *helped, host, network = done.stdout.splitlines()
    assert set(ast.literal_eval(listed)) == set(load_zoo(ROOT / "zoo.py"))
    assert helped[0].startswith("slim: 19,414 parameters, ")
    assert host == "the host, metrics of the host, model of the host"
    assert network == "1 torch.Size([1, 10])"


def test_the_tests_own_modules_stay():
    before = sys.modules["utils.recipe"]
    load("slim")
    assert sys.modules["utils"] is utils and sys.modules["utils.recipe"] is before


# --- what it gives --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "seed"), [("slim", 4), ("wide_resnet", 0), ("mixed_ensemble", 0)])
def test_a_network_predicts_what_the_measurement_of_its_entry_does(name, seed, sample):
    network = load(name, seed=seed)
    entry = load_zoo(ROOT / "zoo.py")[name]
    pixels = sample.test.pixels[:20]
    expected = infer(load_shipped(entry, seed, ROOT / "weights"), pixels, IMAGE, views=entry.views)
    with torch.no_grad():
        logits = network(network.transform(pixels))
    assert not network.training
    torch.testing.assert_close(logits.softmax(1), expected.softmax(1), atol=1e-5, rtol=0)


def test_the_card_says_what_the_record_does():
    entry = load_zoo(ROOT / "zoo.py")["slim"]
    runs = evidence_of(entry, read_results(ROOT / "results.json"))
    meta = load("slim", seed=2).meta
    assert json.loads(json.dumps(meta)) == meta
    said = (meta["name"], meta["seed"], meta["parameters"], meta["misses"], meta["total"])
    assert said == ("slim", 2, 19_414, runs[2].test.misses, 10_000)
    assert (meta["dataset"], meta["weights_sha256"]) == ("mnist", runs[2].digests.weights)
    assert meta["misses_of_all_seeds"] == [run.test.misses for run in runs.values()]
    assert (meta["mean"], meta["std"], meta["shape"]) == ([0.1307], [0.3081], [1, 28, 28])
    assert meta["recorded"]["device"] == runs[2].hardware.device
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith(meta["licence"])


def test_a_network_that_is_not_pretrained_has_initial_weights_and_no_misses():
    torch.manual_seed(3)
    first = load("slim", pretrained=False)
    torch.manual_seed(3)
    again, other = load("slim", pretrained=False), load("slim", pretrained=False)
    weights = [network.classify.weight for network in (first, again, other, load("slim"))]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[1], weights[2]) and not torch.equal(weights[0], weights[3])
    assert first.meta["misses"] is first.meta["seed"] is first.meta["weights_sha256"] is None


def test_a_network_with_views_trains_as_the_plain_one():
    network = load("wide_resnet").train()
    images = torch.randn(8, 1, 28, 28)
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    averaged = network(images)
    network.load_state_dict(state)
    assert torch.equal(averaged, network.network(images))


def test_help_tells_the_figures_of_the_record():
    zoo = read_zoo(ROOT)
    misses = list_misses(zoo, zoo.entries["slim"])
    text = describe_entry(zoo, zoo.entries["slim"])
    for said in (
        f"{max(misses)} of 10,000 test images of mnist missed by the worst of 5 seeds",
        f"{sum(misses) / len(misses):.1f} in the mean",
        "Budget: fewer than 20,000 parameters, at most 60 misses by every seed.",
        "0 to 4",
    ):
        assert said in text
    assert "averages over 5 views" in describe_entry(zoo, zoo.entries["wide_resnet"])
    for entry in zoo.entries.values():
        assert all(len(line) < 100 for line in describe_entry(zoo, entry).splitlines()[-6:])


def test_an_entry_without_a_record_says_so():
    zoo = replace(read_zoo(ROOT), runs=[])
    assert "19,414 parameters, no recorded run on mnist" in describe_entry(zoo, zoo.entries["slim"])


# --- what it refuses ------------------------------------------------------------------------------


def test_a_seed_that_is_not_declared_is_refused():
    zoo = read_zoo(ROOT)
    for seed in (5, -1, "0", True, None):
        with pytest.raises(UsageError, match=re.escape(f"slim has seeds 0 to 4, not {seed!r}")):
            load_network(zoo, "slim", seed=seed)
    assert refuse(ValueError, "vgg_ensemble", seed=1) == "vgg_ensemble has seed 0 only, not 1"


def test_an_unknown_entry_is_refused():
    assert "nobody" in refuse(RuntimeError, "nobody")


def test_weights_that_are_missing_of_another_seed_or_of_another_network_are_refused(tmp_path):
    folder = copy_zoo(tmp_path / "zoo", "slim-seed0", "sprint-seed0")
    assert "slim-seed1.safetensors is missing" in refuse(RuntimeError, "slim", folder, seed=1)
    slim, sprint = (folder / f"weights/{name}-seed0.safetensors" for name in ("slim", "sprint"))
    shutil.copy(ROOT / "weights/slim-seed1.safetensors", slim)
    assert "not those that results.json records" in refuse(RuntimeError, "slim", folder)
    shutil.copy(sprint, slim)
    assert "does not fit the network" in refuse(RuntimeError, "slim", folder)
    slim.write_bytes(slim.read_bytes()[:1_000])
    assert "is corrupt" in refuse(RuntimeError, "slim", folder)
    (folder / "results.json").write_text("{}", encoding="utf-8")
    assert "is not a results file" in refuse(RuntimeError, "slim", folder)


def test_an_old_torch_is_refused(monkeypatch):
    monkeypatch.setattr(torch, "__version__", "2.10.1+cpu")
    said = "the zoo needs torch 2.11 or newer, this is 2.10.1+cpu: pip install --upgrade torch"
    assert refuse(RuntimeError, "slim") == said


def test_the_oldest_versions_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    text = (ROOT / "hubconf.py").read_text(encoding="utf-8")
    python, oldest = (
        re.search(rf"_OLDEST_{name} = \((\d+), (\d+)\)", text).groups()
        for name in ("PYTHON", "TORCH")
    )
    assert project["requires-python"] == f">={'.'.join(python)}"
    assert f"torch>={'.'.join(oldest)},<3" in project["dependencies"]


# --- the transform --------------------------------------------------------------------------------


def test_pictures_and_pixels_of_any_form_give_the_same_input(sample):
    transform = Transform(IMAGE)
    pixels = sample.test.pixels[:1]
    expected = transform(pixels)
    assert expected.shape == (1, 1, 28, 28) and expected.dtype == torch.float32
    torch.testing.assert_close(expected, (pixels / 255 - 0.1307) / 0.3081)
    grey = Image.fromarray(pixels[0, 0].numpy())
    for form in (pixels[0], pixels[0, 0], pixels.numpy(), grey, grey.convert("RGB")):
        assert torch.equal(transform(form), expected)
    assert transform(sample.test.pixels[:3]).shape == (3, 1, 28, 28)


def test_a_picture_of_another_size_is_prepared_as_predict_does():
    path = ROOT / "samples/digit.png"
    with Image.open(path) as picture:
        assert torch.equal(Transform(IMAGE)(picture), Transform(IMAGE)(read_picture(path)))
    assert np.array_equal(np.load(ROOT / "samples/digit.npy"), read_picture(path)[None].numpy())


def test_a_network_of_clothes_takes_images_and_no_pictures_of_a_digit(sample):
    transform = Transform(IMAGE, "fashionmnist")
    pixels = sample.test.pixels[:1]
    grey = Image.fromarray(pixels[0, 0].numpy())
    assert torch.equal(transform(grey), Transform(IMAGE)(pixels))
    with (
        Image.open(ROOT / "samples/digit.png") as picture,
        pytest.raises(ValueError, match="tells clothes apart"),
    ):
        transform(picture)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (torch.zeros(1, 28, 28), "torch.float32"),
        (torch.zeros(3, 28, 28, dtype=torch.uint8), "(3, 28, 28)"),
        (torch.zeros(28, dtype=torch.uint8), "(28,)"),
        (np.zeros((32, 32), np.uint8), "(32, 32)"),
        ("digit.png", "str"),
        (Image.new("L", (40, 40), 255), "blank"),
    ],
)
def test_what_is_no_image_of_the_networks_form_is_refused_in_one_line(given, said):
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        Transform(IMAGE)(given)
    assert len(str(caught.value).splitlines()) == 1
