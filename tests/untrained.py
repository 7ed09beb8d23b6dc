"""A zoo whose record is sealed and true, of weights that were never trained.

It is cheap to make, and to observe without the command.
"""

import functools
import shutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import msgspec
from conftest import RunMaker
from torch import nn

from torchbudget.building.artefact import read_network
from torchbudget.building.builder import capture_network
from torchbudget.building.client import BuiltZoo
from torchbudget.data.images import Dataset, ImageSpec
from torchbudget.data.loading import load_dataset
from torchbudget.data.mnist import load_mnist_sample
from torchbudget.data.spec import DataSpec
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import DataError
from torchbudget.evidence import machine
from torchbudget.evidence.results import Run, read_results, seal
from torchbudget.evidence.together import append_run
from torchbudget.gates.baseline import Baseline
from torchbudget.gates.inspections import Inspections
from torchbudget.gates.observation import Observation, Sources
from torchbudget.network.captured import BuiltNetwork
from torchbudget.network.inspection import Inspection

HERE = machine.platform_id()
"""The platform that the runs name."""


def make_zoo(folder: Path) -> Path:
    """`folder` with `zoo.py` (one entry, `tiny`, two seeds), its results.json and weights/."""
    shutil.copy(Path(__file__).with_name("tiny_zoo.py"), folder / "zoo.py")
    (entry,) = load_zoo(folder / "zoo.py").values()
    for seed in range(entry.budget.seeds):
        append_run(folder / "results.json", RunMaker(folder / "weights")(entry, seed))
    return folder


def read_entry(folder: Path) -> Entry:
    """The zoo's entry, with a budget that even its first weights keep."""
    (entry,) = load_zoo(folder / "zoo.py").values()
    return replace(entry, budget=replace(entry.budget, max_misses=1_000))


def observe(folder: Path, runs: list[Run] | None = None, entry: Entry | None = None) -> Observation:
    """What there is to observe of the zoo in `folder`, of other runs or another entry if given."""
    runs = read_results(folder / "results.json") if runs is None else runs
    entry = entry or read_entry(folder)
    return observe_runs(entry, runs, weights=folder / "weights", dataset=_sample(), platform=HERE)


def observe_runs(
    entry: Entry,
    runs: Iterable[Run] = (),
    *,
    weights: Path = Path("nowhere"),
    dataset: Dataset | None = None,
    platform: tuple[str, str] = ("", ""),
    baseline: Baseline | None = None,
    load: Callable[[DataSpec], Dataset] | None = None,
) -> Observation:
    """What there is to observe of `entry` with these runs, and with `dataset` as its data.

    `load` loads the data in another way.
    """

    def give(spec: DataSpec) -> Dataset:
        if dataset is None:
            raise DataError(f"{spec.name} is not here")
        return dataset

    sources = Sources(
        runs=list(runs), weights=weights, load=load or give, platform=platform, baseline=baseline
    )
    return Observation(entry, sources, Inspections(build_here(entry)))


def build_here(entry: Entry) -> BuiltZoo:
    """The zoo of this entry, and of its members, its networks captured in this process."""
    members = [member for member, _ in entry.member_runs] if isinstance(entry, Ensemble) else []
    entries = {part.name: part for part in [*members, entry]}
    networks = {name: build_network(part.network, part) for name, part in entries.items()}
    return BuiltZoo(entries, networks, {name: name for name in entries})


def build_network(make: Callable[[], nn.Module], entry: Entry) -> BuiltNetwork:
    image = entry.data.image or load_dataset(entry.data).image
    return read_network(*capture_network(make, image))


def inspect(make: Callable[[], nn.Module], image: ImageSpec) -> Inspection:
    """What is static about the network that `make` gives."""
    return Inspection(read_network(*capture_network(make, image)))


@functools.cache
def _sample() -> Dataset:
    return load_mnist_sample()


def change(run: Run, **changes: object) -> Run:
    """The run, changed and sealed again."""
    return seal(msgspec.structs.replace(run, **changes))
