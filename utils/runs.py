"""Where runs are kept, and how the repetition of a shipped run is compared with it.

Evidence goes to the shipped store, `results.json` and `weights/` beside the zoo file, which git
tracks. All other runs go to the local store in `results/`, which git ignores: experiments, runs on
other images, seeds that the budget does not declare, and repetitions of runs that are shipped.
"""

import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torchbudget.data.images import Dataset, ImageSpec
from torchbudget.data.loading import load_dataset
from torchbudget.declare.entry import Entry, changed_fields, describe
from torchbudget.errors import ResultsError, WeightsError
from torchbudget.evidence.record import digest_teacher
from torchbudget.evidence.results import Run, read_results, run_stem
from torchbudget.evidence.together import append_run
from torchbudget.evidence.weights import weights_digest, weights_paths
from torchbudget.network.structure import network_digest
from torchbudget.network.trace import build

MNIST_TRAIN = 60_000


@dataclass(frozen=True, kw_only=True)
class Store:
    """A results file, and the folder of the weights of its runs."""

    results: Path
    weights: Path

    def find(self, stem: str) -> Run | None:
        """The run of that stem, if there is one; raises `ResultsError`."""
        return next((run for run in read_results(self.results) if run.stem == stem), None)

    def get(self, entry: Entry, seed: int, dataset: str) -> Run:
        """The run of `entry` with `seed` on that data set; raises `ResultsError` without one."""
        run = self.find(run_stem(entry.name, seed, dataset, []))
        if run is None:
            raise ResultsError(f"{self.results} has no run of {entry.name} with seed {seed}")
        return run


@dataclass(frozen=True, kw_only=True)
class RunPaths:
    """Where training reads and writes. `output` holds the local store, histories and pictures."""

    results: Path
    weights: Path
    output: Path
    checkpoints: Path

    @classmethod
    def beside(cls, zoo_file: Path) -> "RunPaths":
        """The default: all in the folder of the zoo file."""
        folder = zoo_file.parent
        return cls(
            results=folder / "results.json",
            weights=folder / "weights",
            output=folder / "results",
            checkpoints=folder / "checkpoints",
        )

    @property
    def shipped(self) -> Store:
        return Store(results=self.results, weights=self.weights)

    @property
    def local(self) -> Store:
        return Store(results=self.output / "results.json", weights=self.output / "weights")


def choose_store(
    entry: Entry,
    seed: int,
    dataset: str,
    overrides: list[str],
    paths: RunPaths,
    record: bool = False,
) -> Store:
    """The store of a run that begins now.

    The shipped one takes evidence that it lacks or whose network, recipe or weights have changed;
    with `record` it takes a repetition, too. Raises `ResultsError` where the store cannot be read.
    """
    evidence = not overrides and dataset == entry.dataset and seed in range(entry.budget.seeds)
    shipped = evidence and (record or not is_current(entry, seed, dataset, paths.shipped))
    store = paths.shipped if shipped else paths.local
    read_results(store.results)
    return store


def is_current(entry: Entry, seed: int, dataset: str, store: Store) -> bool:
    """Whether `store` holds a run of this network, recipe and views, with all its weights."""
    run = find_trained(entry, seed, dataset, store)
    return run is not None and not changed_fields(run.views, describe(entry.views))


def find_trained(entry: Entry, seed: int, dataset: str, store: Store) -> Run | None:
    """The run in `store` of this network and recipe, whatever its views, with all its weights.

    Where it has a teacher, the run was taught by the weights that are in the store.
    """
    run = store.find(run_stem(entry.name, seed, dataset, []))
    if run is None or changed_fields(run.recipe, describe(entry.recipe)):
        return None
    try:
        if run.teacher != digest_teacher(entry, store.weights, dataset):
            return None
    except WeightsError:
        return None
    paths = weights_paths(entry, seed, store.weights, dataset)
    if not all(path.is_file() for path in paths) or weights_digest(paths) != run.digests.weights:
        return None
    same = run.digests.network == network_digest(build(entry.network), find_image(entry))
    return run if same else None


def find_image(entry: Entry) -> ImageSpec:
    """The form of the entry's images; loads its data where it does not declare one."""
    return entry.data.image or load_dataset(entry.data).image


def scale_val(entry: Entry, dataset: Dataset) -> int:
    """The recipe's number of val images; of a smaller data set the same share."""
    if dataset.name == entry.dataset:
        return entry.val_images
    return entry.val_images * len(dataset.train) // MNIST_TRAIN


def compare_runs(run: Run, shipped: Run) -> str:
    """How a repetition went beside the shipped run, in one line."""
    processor = "same" if run.hardware.device == shipped.hardware.device else "other"
    weights = "same" if run.digests.weights == shipped.digests.weights else "other"
    return (
        f"{run.test.misses} misses here, {shipped.test.misses} shipped; "
        f"{processor} processor, {weights} bytes"
    )


@contextmanager
def put_in_place(run: Run, entry: Entry, paths: RunPaths) -> Iterator[Store]:
    """A copy of the shipped evidence of `entry` in which a repetition takes the place of its run.

    The gates judge all seeds of an entry together, so a repetition is judged among the others.
    """
    with tempfile.TemporaryDirectory(prefix="repetition-") as name:
        copy = Store(results=Path(name) / "results.json", weights=Path(name) / "weights")
        copy.weights.mkdir()
        shutil.copyfile(paths.results, copy.results)
        append_run(copy.results, run)
        for seed in range(entry.budget.seeds):
            for path in weights_paths(entry, seed, paths.weights):
                repeated = paths.local.weights / path.name
                source = repeated if path.stem == run.stem else path
                if source.is_file():
                    shutil.copyfile(source, copy.weights / path.name)
        yield copy


def count_bytes(paths: Iterable[Path]) -> int | None:
    """Bytes of the weights files; None where one is missing."""
    files = list(paths)
    if not all(path.is_file() for path in files):
        return None
    return sum(path.stat().st_size for path in files)
