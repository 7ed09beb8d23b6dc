"""The teacher of a run: its weights are in place and current, and saw no val image of it."""

from collections.abc import Iterable

import torch

from torchbudget.data.images import Dataset, Images
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from torchbudget.declare.teaching import TrainedNetwork, find_teacher, list_teachers
from torchbudget.errors import OverlapError, UsageError, WeightsError
from torchbudget.evidence.record import digest_teacher
from torchbudget.evidence.results import run_stem
from torchbudget.evidence.weights import weights_paths
from utils.lessons import Lessons
from utils.runs import RunPaths, Store, is_current
from utils.teacher import Teacher

FOLDER = "lessons"
"""Where the answers of teachers are, in the folder that git ignores."""


def open_lessons(
    entry: Entry,
    dataset: Dataset,
    train: Images,
    val: Images,
    paths: RunPaths,
    device: str = "cpu",
) -> Lessons | None:
    """The lessons by which `entry` is trained on `train`; None where it has no teacher.

    The teacher's run is looked for where a run on `dataset` is recorded. Raises `UsageError` for a
    teacher of other data, `WeightsError` for one that is not trained, or whose run is stale, and
    `OverlapError` for one that was trained on other images, or on some of `val`.
    """
    teacher = find_teacher(entry)
    if teacher is None:
        return None
    if not isinstance(teacher, Teacher):
        raise UsageError(f"{entry.name}: its teacher must be a Teacher, not {teacher!r}")
    store = paths.shipped if dataset.name == entry.dataset else paths.local
    for network in list_teachers(entry):
        _check(network, entry, dataset, len(val), store)
    files = {
        run_stem(member.name, seed, dataset.name, []): weights_paths(
            member, seed, store.weights, dataset.name
        )[0]
        for member, seed in teacher.networks
    }
    record = digest_teacher(entry, store.weights, dataset.name)
    assert record is not None
    batch_size = min(entry.recipe.batch_size, len(train))
    folder = paths.output / FOLDER
    return Lessons(teacher, record, files, train, batch_size, folder, torch.device(device))


def _check(
    network: TrainedNetwork, entry: Entry, dataset: Dataset, num_val: int, store: Store
) -> None:
    """Raise where a network must not teach `entry`, or cannot yet."""
    teacher, seed = network
    stem = run_stem(teacher.name, seed, dataset.name, [])
    if teacher.dataset != entry.dataset:
        raise UsageError(
            f"{entry.name} is trained on {entry.dataset} and its teacher {teacher.name} on "
            f"{teacher.dataset}: a teacher is trained on the same data set"
        )
    if not is_current(teacher, seed, dataset.name, store):
        raise WeightsError(
            f"{stem} teaches {entry.name}, and {store.results} has no run of it that is current; "
            f"train it first: python train.py {teacher.name} --seed {seed}"
        )
    run = store.get(teacher, seed, dataset.name)
    trained, _ = split_train_val(dataset, run.val_images)
    if run.digests.train != trained.digest:
        raise OverlapError(f"{stem} teaches {entry.name}, and was trained on other images")
    if run.val_images < num_val:
        raise OverlapError(
            f"{stem} was trained on {num_val - run.val_images:,} of the {num_val:,} val images of "
            f"{entry.name}, and cannot teach it: let {teacher.name} hold out val_images="
            f"{entry.val_images} or more"
        )


def teachers_first(entries: Iterable[Entry]) -> list[Entry]:
    """The entries in their order, but for those that teach: they come before what they teach."""
    ordered: dict[str, Entry] = {}

    def place(entry: Entry) -> None:
        teacher = find_teacher(entry)
        if teacher and teacher.entry.name not in ordered:
            place(teacher.entry)
        ordered.setdefault(entry.name, entry)

    for entry in entries:
        place(entry)
    return list(ordered.values())
