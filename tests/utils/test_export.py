"""utils/export.py: an ONNX file that predicts as torch does, or none."""

import contextlib
import io
import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from doc_lines import read_lines, run_lines
from filelock import FileLock
from onnx import numpy_helper
from safetensors.torch import save_file

from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import UsageError
from torchbudget.evidence.weights import load_shipped, weights_digest
from utils import export
from utils.export import Exported, Exporter
from utils.onnx_check import ExportError, MismatchError
from utils.onnx_file import OnnxNetwork

ROOT = Path(__file__).resolve().parents[2]
ONNX_LINES = read_lines(ROOT / "docs/use.md")[-1]
BARE = ("numpy", "numpy.libs", "onnxruntime")
"""All that the bare interpreter finds beside the standard library."""


ZOO = """
from model import LeNet, Slim
from torchbudget import Budget, Ensemble, Entry, Member, View
from torchbudget.data import MNIST_SAMPLE

LENET_SGD, LENET_ADAM, SLIM = (
    Entry(name=name, network=network, data=MNIST_SAMPLE, budget=Budget(max_params=50_000))
    for name, network in (("lenet_sgd", LeNet), ("lenet_adam", LeNet), ("slim", Slim))
)
BOTH = Ensemble(
    name="both",
    members=(Member(entry=LENET_SGD), Member(entry=LENET_ADAM)),
    views=(View(), View(right=2, rotate=10, scale=1.1)),
    budget=Budget(max_params=100_000),
)
ZOO = (SLIM, LENET_SGD, LENET_ADAM, BOTH)
"""
"""Shipped networks as if they were the sample's, whose test images are always there."""


@dataclass(frozen=True)
class Place:
    """A folder with the zoo above and its weights, and what was exported there."""

    folder: Path

    @cached_property
    def exporter(self) -> Exporter:
        return Exporter(self.folder / "weights")

    @property
    def file(self) -> Path:
        return self.folder / "exports/slim.onnx"

    @property
    def printed(self) -> Path:
        """What was printed about it."""
        return self.folder / "printed.txt"

    def entry(self, name: str) -> Entry:
        return load_zoo(self.folder / "zoo.py", served=("utils",))[name]


def write_zoo(folder: Path) -> None:
    (folder / "weights").mkdir(parents=True)
    (folder / "zoo.py").write_text(ZOO)
    for name in ("slim", "lenet_sgd", "lenet_adam"):
        shipped = ROOT / f"weights/{name}-seed0.safetensors"
        shutil.copy(shipped, folder / f"weights/{name}-seed0-mnist_sample.safetensors")


@pytest.fixture(scope="session")
def place(tmp_path_factory, worker_id) -> Place:
    """`slim` as the command exported it, once for all workers; never change it."""
    shared = tmp_path_factory.getbasetemp()
    if worker_id != "master":
        shared = shared.parent
    place = Place(shared / "exported")
    with FileLock(f"{place.folder}.lock"):
        if not place.printed.exists():
            write_zoo(place.folder)
            text = io.StringIO()
            with contextlib.redirect_stdout(text):
                assert export.main(["slim", "--zoo", str(place.folder / "zoo.py")]) == 0
            place.printed.write_text(text.getvalue())
    return place


def run(capsys, *words: object) -> tuple[int, str, str]:
    """Exit code, stdout, stderr."""
    code = export.main([str(word) for word in words])
    return code, *capsys.readouterr()


# --- the file -------------------------------------------------------------------------------------


def test_the_lines_of_the_docs_read_a_digit_where_there_is_no_torch(place, tmp_path):
    packages = tmp_path / "packages"
    packages.mkdir()
    for name in BARE:
        installed = Path(np.__file__).parents[1] / name
        if installed.exists():
            (packages / name).symlink_to(installed)
    (tmp_path / "exports").symlink_to(place.file.parent)
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    bare = f"import sys; sys.path.append({str(packages)!r})\n"
    without_torch = "import importlib.util\nassert importlib.util.find_spec('torch') is None\n"
    assert len(ONNX_LINES.splitlines()) == 3
    done = run_lines(bare + without_torch + ONNX_LINES, tmp_path, "-I", "-S")
    assert (done.stdout, done.stderr) == ("7\n", "")


def test_a_file_says_what_it_is_and_nothing_of_the_machine(place):
    session = onnxruntime.InferenceSession(place.file, providers=["CPUExecutionProvider"])
    (source,), (target,) = session.get_inputs(), session.get_outputs()
    assert (source.name, source.type, source.shape) == (
        "images",
        "tensor(uint8)",
        ["N", 1, 28, 28],
    )
    assert (target.name, target.type, target.shape) == ("probabilities", "tensor(float)", ["N", 10])
    measured = place.exporter.measure_torch(place.entry("slim"), 0)
    assert session.get_modelmeta().custom_metadata_map == {
        "name": "slim",
        "seed": "0",
        "parameters": "19414",
        "misses": str(measured.misses),
        "total": "1000",
        "dataset": "mnist_sample",
        "weights_sha256": weights_digest([ROOT / "weights/slim-seed0.safetensors"]),
        "classes": "10",
        "mean": "0.1307",
        "std": "0.3081",
        "views": "1",
        "opset": "18",
        "licence": "MIT",
    }
    content = place.file.read_bytes()
    assert str(ROOT).encode() not in content and b"site-packages" not in content
    assert len(content) < 100_000
    (opset,) = onnx.load(place.file).opset_import
    assert (opset.domain, opset.version) == ("", 18)


def test_the_weights_are_those_of_the_weights_file_bit_by_bit(place):
    network = load_shipped(place.entry("slim"), 0, place.folder / "weights")
    stored = {
        tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy())
        for tensor in onnx.load(place.file).graph.initializer
    }
    compared = 0
    for name, tensor in network.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(stored[f"network.{name}"], tensor), name
            compared += 1
    assert compared == 37


@pytest.mark.parametrize("size", [1, 7])
def test_any_number_of_images_gives_the_same_probabilities(place, sample, size):
    network = OnnxNetwork(place.file.read_bytes())
    pixels = sample.test.pixels[:14]
    parts = torch.cat([network(part) for part in pixels.split(size)])
    torch.testing.assert_close(parts, network(pixels), atol=1e-6, rtol=0)
    torch.testing.assert_close(parts.sum(1), torch.ones(14))


def test_views_and_votes_are_inside(place, tmp_path):
    entry = place.entry("both")
    exported = place.exporter.export(entry, 0, tmp_path / "both.onnx")
    measured = place.exporter.measure_torch(entry, 0)
    assert (exported.misses, exported.flips) == (measured.misses, [])
    assert exported.difference < 1e-4
    for other in (replace(entry, name="plain", views=()), *(part.entry for part in entry.members)):
        plain = place.exporter.measure_torch(other, 0)
        assert not torch.equal(measured.predictions, plain.predictions)


# --- what is refused ------------------------------------------------------------------------------


class Tampered(Exporter):
    """Exports a file that was made before, with `amount` added to a number of a tensor in it.

    It measures by torch no more than the exporter that it takes the place of.
    """

    def __init__(self, place: Place, tensor: str, amount: float) -> None:
        super().__init__(place.exporter.weights)
        self._measurements = place.exporter._measurements
        self._changed = place.file, tensor, amount

    def build(self, entry: Entry, seed: int) -> onnx.ModelProto:
        file, name, amount = self._changed
        model = onnx.load(file)
        (tensor,) = [tensor for tensor in model.graph.initializer if tensor.name == name]
        values = numpy_helper.to_array(tensor).copy()
        values.flat[0] += amount
        tensor.CopyFrom(numpy_helper.from_array(values, name))
        return model


@pytest.mark.parametrize(
    ("tensor", "amount", "said"),
    [
        ("network.classify.bias", 5, "for another class than torch: #"),
        ("network.classify.bias", 0.01, "more than rounding can part them"),
        ("network.stem.0.weight", 0.01, "more than rounding can part them"),
        ("network.stem.2.running_mean", float("nan"), "; nothing is written"),
    ],
)
def test_a_weight_that_was_changed_is_refused_and_the_file_before_it_stays(
    place, tmp_path, tensor, amount, said
):
    before = tmp_path / "slim.onnx"
    before.write_text("the file before")
    tampered = Tampered(place, tensor, amount)
    with pytest.raises(MismatchError) as caught:
        tampered.export(place.entry("slim"), 0, before)
    assert said in str(caught.value) and caught.value.exit_code == 1
    assert before.read_text() == "the file before"
    assert list(tmp_path.iterdir()) == [before]


def test_a_file_that_does_not_run_is_refused(place, tmp_path):

    class Renamed(Exporter):
        def build(self, entry: Entry, seed: int) -> onnx.ModelProto:
            model = onnx.load(place.file)
            model.graph.node[0].input[0] = "nothing"
            return model

    with pytest.raises(ExportError, match="slim does not run in ONNX Runtime: "):
        Renamed(place.folder / "weights").export(place.entry("slim"), 0, tmp_path / "slim.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_has_no_onnx_form_is_named(place, tmp_path):
    class Branching(torch.nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    save_file({}, tmp_path / "slim-seed0-mnist_sample.safetensors")
    with pytest.raises(ExportError, match="slim cannot be exported: ") as caught:
        Exporter(tmp_path).build(replace(place.entry("slim"), network=Branching), 0)
    assert len(str(caught.value).splitlines()) == 1


def test_an_excused_flip_is_said():
    exported = Exported(
        path=Path("net.onnx"),
        num_bytes=1_000,
        misses=7,
        total=2_000,
        flips=[(index, 3, 5) for index in range(7)],
        difference=1e-6,
    )
    assert exported.describe() == (
        "net.onnx: 1,000 bytes, 7 of 2,000 missed by ONNX Runtime; 7 taken for another class than "
        "by torch, where two logits are tied but for rounding: #0 3->5, #1 3->5, #2 3->5, "
        "#3 3->5, #4 3->5 and 2 more; probabilities differ by at most 1.0e-06"
    )


# --- the command ----------------------------------------------------------------------------------


def test_the_command_says_what_it_wrote_and_measured(place):
    misses = place.exporter.measure_torch(place.entry("slim"), 0).misses
    (line,) = place.printed.read_text().splitlines()
    said = f"{place.file}: {place.file.stat().st_size:,} bytes, {misses} of 1,000 missed by ONNX"
    assert line.startswith(said) and "image by image as by torch" in line
    assert list(place.file.parent.iterdir()) == [place.file]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["slym"], 2, "did you mean slim"),
        (["slim", "--seed=1"], 2, "slim has seed 0 only, not 1"),
        (["slim", "both", "--seed=1"], 2, "slim has seed 0 only, not 1"),
        (["slim", "--seed=-1"], 2, "-1 is negative"),
        (["slim", "--all"], 2, "--all exports seed 0 of every entry"),
        (["slim", "--dataset=mnist"], 2, "--dataset goes with --all"),
        (["--all"], 2, "no entry is of the data set 'mnist'; there are mnist_sample"),
        (["slim", "--out=weights"], 2, "would replace what this command reads"),
        (["lenet_sgd"], 3, "lenet_sgd-seed0-mnist_sample.safetensors is missing"),
    ],
)
def test_what_cannot_be_done_is_one_line(words, code, said, tmp_path, capsys, monkeypatch):
    write_zoo(tmp_path)
    monkeypatch.chdir(tmp_path)
    Path("weights/lenet_sgd-seed0-mnist_sample.safetensors").unlink()
    Path("weights/slim.onnx").write_text("somebody's file")
    found, out, err = run(capsys, *words, "--zoo", "zoo.py")
    assert (found, out, len(err.splitlines())) == (code, "", 1)
    assert said in err and not Path("exports").exists()


def test_without_the_test_images_nothing_is_written(tmp_path, capsys):
    words = ("slim", "--data-root", tmp_path / "nowhere", "--out", tmp_path / "exports")
    code, out, err = run(capsys, *words)
    assert (code, out, len(err.splitlines())) == (3, "", 1)
    assert "nowhere" in err and not (tmp_path / "exports").exists()


def test_a_seed_that_is_not_declared_is_refused_from_python_too(place, tmp_path):
    with pytest.raises(UsageError, match="slim has seed 0 only, not 5"):
        place.exporter.export(place.entry("slim"), 5, tmp_path / "slim.onnx")
