"""All areas, and how many of 10,000 inputs each of them tries."""

import contextlib
import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna

from fuzz import areas
from fuzz.arguments import mutate_arguments
from fuzz.law import Attempt, Bench, Outcome, try_inputs

AREAS: dict[str, tuple[Callable[[Bench], Iterator[Attempt]], int]] = {
    "results": (areas.mutate_results, 2_000),
    "weights": (areas.mutate_weights, 1_400),
    "lab books": (areas.mutate_lab_books, 600),
    "checkpoints": (areas.mutate_checkpoints, 900),
    "waivers": (areas.mutate_waivers, 1_200),
    "csv": (areas.mutate_csvs, 1_200),
    "pictures": (areas.mutate_pictures, 1_000),
    "idx": (areas.mutate_idx_files, 500),
    "zoo files": (areas.mutate_zoo_files, 600),
    "studies": (areas.mutate_studies, 400),
    "arguments": (mutate_arguments, 800),
}


def try_area(name: str, count: int, seed: int, folder: Path) -> Outcome:
    """Hold `count` inputs of an area to the law, in `folder`, which is empty."""
    mutate, _ = AREAS[name]
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    bench = Bench(folder.resolve(), random.Random(f"{name} {seed}"))
    (bench.folder / "inputs").mkdir()
    with without_data(bench.folder / "no data"):
        return try_inputs(name, mutate(bench), bench, count)


@contextlib.contextmanager
def without_data(folder: Path) -> Iterator[None]:
    """No data set is here, and none is downloaded."""
    before = os.environ.get("MNIST_ROOT")
    os.environ["MNIST_ROOT"] = str(folder)
    try:
        yield
    finally:
        del os.environ["MNIST_ROOT"]
        if before is not None:
            os.environ["MNIST_ROOT"] = before
