"""What `train.py ENTRY --trial` does: train, judge by val, compare, and keep it in the lab book."""

import ast
import os
import re
import shlex
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from torchbudget.data.loading import load_or_sample
from torchbudget.declare.entry import Entry
from torchbudget.declare.views import View
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import EXIT_PASS, Interrupted, UsageError
from torchbudget.evidence.files import check_outputs
from torchbudget.evidence.results import lock
from utils.lab_book import BOOK, read_book
from utils.literal import literal
from utils.options import normalise_flags
from utils.runs import RunPaths
from utils.trials import (
    Laboratory,
    check_comparable,
    check_triable,
    compare,
    describe_difference,
    describe_misses,
    describe_trial,
    with_arguments,
)

DECLARED = "declared"
"""The word for the entry as the zoo declares it."""
DEFAULT_SEEDS = "0-4"
MAX_SEEDS = 1_000
EXCLUDED = ("resume", "check", "record", "all", "train_csv", "drop_overlap", "all_rows")
"""Options that make no sense of a trial."""
OWN = ("seeds", "lab", "network", "views")
"""Options that only a trial takes."""
PLACES = ("data_root", "device", "lab", *RunPaths.__dataclass_fields__)
"""Options that decide no figure and may name folders: the lab book leaves them out."""


def check_options(options: Namespace) -> None:
    """Raises `UsageError` for options that do not go together."""
    if not options.trial:
        for name in OWN:
            if getattr(options, name):
                raise UsageError(f"--{name} goes with --trial")
        return
    for name in EXCLUDED:
        if getattr(options, name):
            raise UsageError(f"--{name.replace('_', '-')} does not go with --trial")
    if options.seed:
        raise UsageError("a trial takes --seeds, such as --seeds 0-4, in place of --seed")


def try_out(
    entry: Entry,
    overrides: list[str],
    zoo: dict[str, Entry],
    options: Namespace,
    *,
    zoo_file: Path,
    own_zoo: Path,
    paths: RunPaths,
    device: str,
    argv: Sequence[str],
) -> int:
    """Make the trial that the options describe, print what it gave; the exit code.

    `zoo` holds what `zoo_file` declares; `own_zoo` is the file that is next asked for an entry to
    compare with.
    """
    seeds = read_seeds(options.seeds or DEFAULT_SEEDS)
    declared = zoo[entry.name]
    entry, arguments = with_arguments(entry, options.network)
    overrides = [*overrides, *arguments]
    if options.views is not None:
        entry, changed = with_views(entry, options.views)
        overrides += changed
    other = find_other(str(options.against or ""), declared, overrides, zoo, own_zoo)
    for candidate in (entry, other):
        if candidate is not None:
            check_triable(candidate)
    if other is not None and other.data != entry.data:
        raise UsageError(
            f"{entry.name} is trained on {entry.dataset}, {other.name} on {other.dataset}: "
            "they cannot be compared"
        )
    book = options.lab or find_book(zoo_file)
    check_outputs({"--lab": book}, [zoo_file])
    book.parent.mkdir(parents=True, exist_ok=True)
    with lock(book):  # what cannot be written is said before anything is trained
        read_book(book)
    laboratory = Laboratory(
        dataset=load_or_sample(entry.data, options.data_root, zoo_file.parent, with_test=False),
        device=device,
        book=book,
        paths=paths,
        command=describe_command(argv, zoo_file, own_zoo),
        folder=zoo_file.parent,
        threads=options.threads,
    )
    if other:  # what does not fit is said before either is trained
        check_comparable(laboratory.plan(entry, overrides), laboratory.plan(other, []))
    try:
        trial = laboratory.run(entry, overrides, seeds)
        compared = laboratory.run(other, [], seeds) if other else None
    except KeyboardInterrupt:
        raise Interrupted(
            f"interrupted; finished seeds are in {book}, the same command continues"
        ) from None
    print(f"\n{describe_trial(trial)}: {describe_misses(trial)}")
    if compared:
        print(f"{describe_trial(compared)}: {describe_misses(compared)}")
        print(describe_difference(compare(trial, compared)))
    print(f"val only: no test image was loaded; kept in {book} (make trials)")
    return EXIT_PASS


def with_views(entry: Entry, text: str) -> tuple[Entry, list[str]]:
    """`entry` with the views that `text` lists as a zoo file does; raises `UsageError`.

    Second, what has changed, as "views=(View(),)".
    """
    try:
        written = ast.parse(text.strip(), mode="eval").body
        calls = written.elts if isinstance(written, ast.Tuple) else [written]
        views = tuple(map(_read_view, calls))
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise UsageError(
            f'--views {text}: {error}; the form is "View(), View(right=1)", and "()" for none'
        ) from error
    if views == entry.views:
        return entry, []
    listed = " ".join(f"{literal(view)}," for view in views)
    return replace(entry, views=views), [f"views=({listed if len(views) == 1 else listed[:-1]})"]


def _read_view(call: ast.expr) -> View:
    if not isinstance(call, ast.Call) or ast.unparse(call.func) != "View" or call.args:
        raise ValueError(f"{ast.unparse(call)} is no View")
    return View(**{str(word.arg): ast.literal_eval(word.value) for word in call.keywords})


def read_seeds(text: str) -> tuple[int, ...]:
    """The seeds of "0-4" or "0,3,7-9", in ascending order; raises `UsageError`."""
    seeds: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part.strip())
        if not match:
            raise UsageError(f"--seeds {text}: the form is 0-4 or 0,3,7")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first or last - first >= MAX_SEEDS:
            raise UsageError(f"--seeds {text}: {part} is no range of 1 to {MAX_SEEDS:,} seeds")
        seeds |= set(range(first, last + 1))
    return tuple(sorted(seeds))


def find_other(
    name: str, declared: Entry, overrides: list[str], zoo: dict[str, Entry], own_zoo: Path
) -> Entry | None:
    """What a trial is compared with, if anything; raises `UsageError` and `ZooError`."""
    if not name:
        return None
    if name == DECLARED:
        if not overrides:
            raise UsageError(
                f"--against {DECLARED}: nothing of {declared.name} is changed; "
                "change a field of --recipe, an argument of --network, or name another entry"
            )
        return declared
    if name not in zoo:
        zoo = load_zoo(own_zoo, served=("utils",)) | zoo
    (other,) = select_entries(zoo, [name])
    if other == declared and not overrides:
        raise UsageError(f"--against {name} is what is tried")
    return other


def find_book(zoo_file: Path) -> Path:
    """The lab book: `lab/trials.jsonl` beside the zoo file, of one in `lab/` in that folder."""
    folder = zoo_file.parent
    return folder / BOOK.name if folder.name == BOOK.parent.name else folder / BOOK


def describe_command(argv: Sequence[str], zoo_file: Path, own_zoo: Path) -> str:
    """The command line without what decides no figure, so that it runs elsewhere."""
    words = []
    skipped = False
    for word, plain in zip(argv, normalise_flags(list(argv)), strict=True):
        name, sign, _ = plain.removeprefix("--").partition("=")
        if skipped or (plain.startswith("--") and name in (*PLACES, "zoo")):
            skipped = not skipped and not sign
            continue
        words.append(word)
    if zoo_file != own_zoo:
        inside = zoo_file.is_relative_to(own_zoo.parent)
        shown = os.path.relpath(zoo_file, own_zoo.parent) if inside else zoo_file.name
        words += ["--zoo", shown]
    return shlex.join(["train.py", *words])
