"""Jobs: one training each, which any process on any machine may do, once or again.

A job is named by the digest of all that decides its result. It works in a folder of that name,
where it keeps its checkpoints, and ends with a folder `result` that is there whole or not at all.
So a job that is run twice, killed, or tried again elsewhere gives one result. Its record stays in
that folder: only the command that asked for the job merges it into the zoo's record.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from filelock import FileLock
from msgspec import Struct

from torchbudget.data.images import Dataset
from torchbudget.declare.entry import Entry, describe
from torchbudget.evidence import machine
from torchbudget.evidence.files import file_digest
from torchbudget.network.structure import network_digest
from torchbudget.network.trace import build
from utils.runs import RunPaths

TOOLKIT = Path(__file__).resolve().parent.parent
PACKAGES = ("utils", "torchbudget")
"""The packages of the toolkit that decide what a training computes."""
ZOO_FOLDER = "zoo_folder"
"""Where the sources of a zoo from elsewhere stand among those of the toolkit."""
RESULT = "result"


class Job(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A training of `entry` of the zoo file `zoo` with `seed`, on `threads` threads.

    `images` is the digest of the training images. A trial of a study differs from the entry as
    declared in the numbers `changes`, by dotted names; it is judged by val and records nothing.
    """

    name: str
    zoo: str
    entry: str
    seed: int
    images: str
    threads: int
    device: str = "cpu"
    data_root: str | None = None
    changes: dict[str, int | float] = {}
    is_trial: bool = False


def make_job(
    entry: Entry,
    seed: int,
    dataset: Dataset,
    zoo_file: Path,
    *,
    threads: int,
    device: str = "cpu",
    data_root: Path | None = None,
    changes: Mapping[str, float] | None = None,
    trial: int | None = None,
) -> Job:
    """The job that trains `entry`, which `changes` have made of the declared one.

    `trial` is its number in a study. `dataset.test` is touched for a run only.
    """
    is_trial = trial is not None
    image = dataset.image
    decides = {
        "network": network_digest(build(entry.network), image),
        "entry": [entry.name, describe(entry.recipe), describe(entry.views), entry.stored],
        "seed": seed,
        "data": [dataset.name, dataset.train.digest, None if is_trial else dataset.test.digest],
        "image": [image.shape, image.num_classes, image.mean, image.std],
        "code": code_digest(zoo_file),
        "computer": [device, threads, machine.versions()],
    }
    digest = hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]
    label = f"trial{trial}" if is_trial else f"seed{seed}"
    return Job(
        name=f"{entry.name}-{label}-{digest}",
        zoo=str(zoo_file.resolve()),
        entry=entry.name,
        seed=seed,
        images=dataset.train.digest,
        threads=threads,
        device=device,
        data_root=None if data_root is None else str(data_root.resolve()),
        changes=dict(changes or {}),
        is_trial=is_trial,
    )


# --- the code -------------------------------------------------------------------------------------


def list_sources(zoo_file: Path) -> dict[str, Path]:
    """The Python files that training by a zoo file may run, by their names in a copy.

    They are the toolkit's, and those that the zoo file can import from its own folder.
    """
    files = sorted(TOOLKIT.glob("*.py"))
    for package in PACKAGES:
        files += sorted((TOOLKIT / package).rglob("*.py"))
    sources = {path.relative_to(TOOLKIT).as_posix(): path for path in files}
    folder = zoo_file.resolve().parent
    if folder != TOOLKIT:
        own = sorted({zoo_file.resolve(), *folder.glob("*.py")})
        for package in sorted(folder.glob("*/__init__.py")):
            own += sorted(package.parent.rglob("*.py"))
        for path in own:
            sources[f"{ZOO_FOLDER}/{path.relative_to(folder).as_posix()}"] = path
    return sources


def name_zoo(zoo_file: Path) -> str:
    """The zoo file's own name among its `list_sources`."""
    path = zoo_file.resolve()
    return path.name if path.parent == TOOLKIT else f"{ZOO_FOLDER}/{path.name}"


def code_digest(zoo_file: Path) -> str:
    """SHA-256 of the names and contents of all `list_sources`."""
    lines = [f"{file_digest(path)} {name}" for name, path in list_sources(zoo_file).items()]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


# --- the folder of a job --------------------------------------------------------------------------


def job_folder(paths: RunPaths, job: Job) -> Path:
    """Where a job works, among the checkpoints of its zoo."""
    return paths.checkpoints / "jobs" / job.name


def make_result(folder: Path, train: Callable[[RunPaths], object]) -> None:
    """Let `train` write a run to the paths that it is given, unless `folder` has its result.

    A process that does the same job in the same folder is waited for.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "job.lock"):
        if (folder / RESULT).is_dir():
            return
        partial = folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        paths = RunPaths.beside(partial / "zoo.py")
        train(replace(paths, checkpoints=folder / "checkpoints"))
        partial.rename(folder / RESULT)
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
