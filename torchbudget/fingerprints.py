"""What the verdicts on an entry rest on, as digests: where all are equal, so are the verdicts."""

import functools
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Iterable, Sequence
from pathlib import Path

from torchbudget.data.images import Dataset
from torchbudget.declare.declaration import History
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.teaching import list_teachers
from torchbudget.errors import BaselineError
from torchbudget.evidence.files import file_digest
from torchbudget.evidence.results import Run
from torchbudget.gates.baseline import git, top_of
from torchbudget.report.basis import Fingerprint


def find_commit(zoo: Path) -> str:
    """The commit that is checked out, "" where any file but the ignored ones differs from it."""
    try:
        top = top_of(zoo, "a check")
        why = "the commit cannot be told"
        if git(top, "status", "--porcelain", why=why):
            return ""
        return git(top, "rev-parse", "HEAD", why=why)
    except BaselineError:
        return ""


@functools.cache
def digest_judge() -> str:
    """SHA-256 of the judge's code, of Python's version and of the names of all packages."""
    sha = hashlib.sha256(f"{platform.python_version()} {platform.system()}\n".encode())
    folder = Path(__file__).resolve().parent
    for path in sorted(folder.rglob("*.py")):
        sha.update(f"{path.relative_to(folder).as_posix()} {file_digest(path)}\n".encode())
    packages = {
        f"{found.metadata['Name']} {found.version}" for found in importlib.metadata.distributions()
    }
    sha.update("\n".join(sorted(packages)).encode())
    return sha.hexdigest()


def collect_histories(runs: list[Run]) -> dict[str, list[History]]:
    """The histories of each entry's runs, those that have any."""
    histories: dict[str, list[History]] = {}
    for run in runs:
        if run.history:
            losses = [row.val_loss for row in run.history]
            histories.setdefault(run.entry, []).append((run.train_images, losses))
    return histories


def digest_evidence(names: Iterable[str], runs: Sequence[Run], weights: Path) -> str:
    """SHA-256 of the runs of the entries `names`, by their seals, and of their weights files."""
    parts = []
    for name in names:
        parts += [[run.stem, run.seal, run.expected_seal()] for run in runs if run.entry == name]
        for path in sorted(weights.glob("*.safetensors")):
            if path.name.startswith(f"{name}-seed") and path.is_file():
                parts.append([path.name, file_digest(path)])
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def digest_data(dataset: Dataset) -> str:
    """SHA-256 of all images and labels."""
    return hashlib.sha256((dataset.train.digest + dataset.test.digest).encode()).hexdigest()


def fingerprint(
    entry: Entry, built: str, runs: Sequence[Run], weights: Path, dataset: Dataset | None
) -> Fingerprint:
    """All that the verdicts on the entry rest on; `dataset` where it was read."""
    networks = list(list_teachers(entry))
    if isinstance(entry, Ensemble):
        networks += entry.member_runs
    members = sorted({network.name for network, _ in networks})
    return Fingerprint(
        entry=entry.name,
        built=built,
        evidence=digest_evidence([entry.name, *members], runs, weights),
        data=digest_data(dataset) if dataset else "",
        members=members,
    )
