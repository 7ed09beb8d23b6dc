"""Export an entry to ONNX, measured before it is written.

    python -m utils.export slim                  # exports/slim.onnx
    python -m utils.export slim --seed 1         # exports/slim-seed1.onnx
    python -m utils.export slim sprint net3      # several
    python -m utils.export --all --out folder    # seed 0 of every entry of MNIST

The file takes `images`, uint8 (N, channels, height, width), any number of them at once, and gives
`probabilities`, float32 (N, classes). Normalisation, views and the vote of an ensemble are inside.
Its metadata says what it is.

ONNX Runtime runs it on the whole test set first, and its predictions are compared, image by image,
with those of torch. As in the gate `claim`, one may differ where rounding alone can part its two
logits; the probabilities may differ by as much. Any other difference is an error, and no file is
written.

Exit codes: 0 done · 1 the predictions differ · 2 wrong usage · 3 something is missing or unreadable
· 130 interrupted
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("export")

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from torchbudget.command import Parser, run_main, whole_number
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_dataset
from torchbudget.data.mnist import MNIST
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import UsageError
from torchbudget.evidence.files import check_outputs, write_atomically
from torchbudget.evidence.measure import Measurement, measure
from torchbudget.evidence.rounding import Flip, rounding_margin
from torchbudget.evidence.weights import load_shipped, weights_digest, weights_paths
from torchbudget.network.ensemble import EnsembleNetwork, vote
from torchbudget.network.structure import count_params
from torchbudget.network.trace import trace
from torchbudget.report.text import first_line
from utils.classifier import Classifier
from utils.hub import LICENCE, check_seed
from utils.onnx_check import ExportError, compare, list_first, load_onnx, run_onnx
from utils.runs import RunPaths

if TYPE_CHECKING:
    import onnx

ROOT = Path(__file__).resolve().parent.parent
PROG = "export"
INPUT, OUTPUT = "images", "probabilities"


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A file that was written, and what ONNX Runtime gave for the test images.

    `flips` are the images that it takes for another class than torch, both tied but for rounding;
    `difference` is how far a probability is from torch's at most.
    """

    path: Path
    num_bytes: int
    misses: int
    total: int
    flips: list[Flip]
    difference: float

    def describe(self) -> str:
        """What was written and measured, in one line."""
        measured = f"{self.misses} of {self.total:,} missed by ONNX Runtime"
        same = ", image by image as by torch"
        if self.flips:
            same = (
                f"; {len(self.flips)} taken for another class than by torch, where two logits are "
                f"tied but for rounding: {list_first(self.flips)}"
            )
        return (
            f"{self.path}: {self.num_bytes:,} bytes, {measured}{same}; "
            f"probabilities differ by at most {self.difference:.1e}"
        )


class Exporter:
    """Exports entries whose weights are in the folder `weights`.

    The data sets are below `data_root`, and relative paths of a zoo file start at `folder`. What
    torch gives for weights that several entries share is measured once.
    """

    def __init__(
        self, weights: Path, data_root: Path | None = None, folder: Path | None = None
    ) -> None:
        self.weights = weights
        self._data_root = data_root
        self._folder = folder
        self._datasets: dict[str, Dataset] = {}
        self._networks: dict[tuple[str, int], nn.Module] = {}
        self._measurements: dict[tuple[str, int], Measurement] = {}

    def dataset_of(self, entry: Entry) -> Dataset:
        """Raises `DataError`."""
        if entry.dataset not in self._datasets:
            self._datasets[entry.dataset] = load_dataset(entry.data, self._data_root, self._folder)
        return self._datasets[entry.dataset]

    def network_of(self, entry: Entry, seed: int) -> nn.Module:
        """The network with its shipped weights, in eval mode; raises `WeightsError`."""
        key = (entry.name, seed)
        if key not in self._networks:
            self._networks[key] = load_shipped(entry, seed, self.weights)
        return self._networks[key]

    def measure_torch(self, entry: Entry, seed: int) -> Measurement:
        """What torch gives for the test images; raises `DataError` and `WeightsError`."""
        key = (entry.name, seed)
        if key not in self._measurements:
            test = self.dataset_of(entry).test
            if isinstance(entry, Ensemble) and not entry.views:
                members = [self.measure_torch(*member) for member in entry.member_runs]
                logits = torch.stack([member.logits for member in members])
                self._measurements[key] = Measurement(vote(logits, entry.vote), test.labels)
            else:
                network = self.network_of(entry, seed)
                self._measurements[key] = measure(network, test, views=entry.views)
        return self._measurements[key]

    def build(self, entry: Entry, seed: int) -> "onnx.ModelProto":
        """The entry as an ONNX model that nothing has measured yet.

        Raises `DataError` where the form of its images is not declared, `WeightsError`, and
        `ExportError` where ONNX has no form for its operations.
        """
        files = load_onnx()
        image = self.dataset_of(entry).image
        network = self.network_of(entry, seed)
        example = torch.zeros((2, *image.shape), dtype=torch.uint8)
        try:
            model = files.to_onnx(Classifier(network, image, entry.views), example, INPUT, OUTPUT)
        except Exception as error:  # an exporter may raise anything
            raise ExportError(
                f"{entry.name} cannot be exported: {type(error).__name__}: {first_line(error)}"
            ) from error
        files.store_in_half(model)
        return model

    def export(self, entry: Entry, seed: int, path: Path) -> Exported:
        """Write the entry with the weights of `seed` to `path`, once it is measured.

        Raises `UsageError` for a seed that is not declared, `MismatchError` where ONNX Runtime
        predicts otherwise than torch, `ExportError`, `DataError` and `WeightsError`. Then nothing
        is written.
        """
        check_seed(entry, seed)
        dataset = self.dataset_of(entry)
        model = self.build(entry, seed)
        given = run_onnx(entry.name, model.SerializeToString(), dataset)
        measured = self.measure_torch(entry, seed)
        flips = compare(entry.name, given, measured, self.find_margin(entry, seed))
        misses = int((given.argmax(1) != measured.labels).sum())
        properties = self.describe(entry, seed) | {
            "misses": str(misses),
            "total": str(measured.total),
        }
        load_onnx().describe(model, properties)
        content = model.SerializeToString()
        write_atomically(path, content)
        return Exported(
            path=path,
            num_bytes=len(content),
            misses=misses,
            total=measured.total,
            flips=flips,
            difference=float((given - measured.logits.softmax(1)).abs().max()),
        )

    def find_margin(self, entry: Entry, seed: int) -> float:
        """The rounding margin of the entry's network, of an ensemble that of its deepest member."""
        network = self.network_of(entry, seed)
        parts = network.members if isinstance(network, EnsembleNetwork) else [network]
        image = self.dataset_of(entry).image
        return rounding_margin(max(len(trace(part, image, False).path) for part in parts))

    def describe(self, entry: Entry, seed: int) -> dict[str, str]:
        """The metadata that is known before the network is measured."""
        image = self.dataset_of(entry).image
        return {
            "name": entry.name,
            "seed": str(seed),
            "parameters": str(count_params(self.network_of(entry, seed))),
            "dataset": entry.dataset,
            "weights_sha256": weights_digest(weights_paths(entry, seed, self.weights)),
            "classes": str(image.num_classes),
            "mean": " ".join(map(str, image.mean or ())),
            "std": " ".join(map(str, image.std or ())),
            "views": str(max(len(entry.views), 1)),
            "opset": str(load_onnx().OPSET),
            "licence": LICENCE,
        }


def export(entry: Entry, seed: int, path: Path) -> Exported:
    """Write an entry of this zoo to `path`, as `Exporter.export` does."""
    return Exporter(ROOT / "weights").export(entry, seed, path)


# --- the command ----------------------------------------------------------------------------------


def make_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__)
    parser.add_argument("entries", nargs="*", metavar="ENTRY", help="of the zoo; default: slim")
    parser.add_argument("--seed", type=whole_number, default=0, help="default: %(default)s")
    parser.add_argument("--all", action="store_true", help="seed 0 of every entry of a data set")
    parser.add_argument(
        "--dataset", help=f"with --all: the data set of the entries; default: {MNIST.name}"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="default: exports/ beside the zoo file"
    )
    parser.add_argument("--zoo", type=Path, default=ROOT / "zoo.py", help="the zoo file")
    parser.add_argument(
        "--data-root",
        type=Path,
        help="a torchvision MNIST root; default: MNIST_ROOT, then data/, downloaded",
    )
    return parser


def choose_entries(options: argparse.Namespace) -> list[Entry]:
    """The entries to export; raises `ZooError` and `UsageError`."""
    zoo = load_zoo(options.zoo, served=("utils",))
    if not options.all:
        if options.dataset:
            raise UsageError("--dataset goes with --all")
        return select_entries(zoo, options.entries or ["slim"])
    if options.entries or options.seed:
        raise UsageError("--all exports seed 0 of every entry; leave out the entry and --seed")
    dataset = options.dataset or MNIST.name
    entries = [entry for entry in zoo.values() if entry.dataset == dataset]
    if not entries:
        known = ", ".join(sorted({entry.dataset for entry in zoo.values()}))
        raise UsageError(f"no entry is of the data set {dataset!r}; there are {known}")
    return entries


def export_entries(options: argparse.Namespace) -> None:
    """Export what the options name; the first entry that fails ends it."""
    entries = choose_entries(options)
    for entry in entries:
        check_seed(entry, options.seed)
    paths = RunPaths.beside(options.zoo)
    folder = options.out or show_path(options.zoo.parent / "exports")
    suffix = f"-seed{options.seed}" if options.seed else ""
    files = {entry.name: folder / f"{entry.name}{suffix}.onnx" for entry in entries}
    kept = [paths.weights, *([options.data_root] if options.data_root else [])]
    for path in files.values():
        check_outputs({"--out": path}, [options.zoo, paths.results], kept)
    exporter = Exporter(paths.weights, options.data_root, options.zoo.parent)
    for entry in entries:
        exported = exporter.export(entry, options.seed, files[entry.name])
        print(exported.describe(), flush=True)


def show_path(path: Path) -> Path:
    """A path as people read it: from the working directory, where it is below it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def main(argv: list[str] | None = None) -> int:
    """Export what the command line names; the exit code."""
    return run_main(lambda: export_entries(make_parser().parse_args(argv)), PROG)


if __name__ == "__main__":
    sys.exit(main())
