"""The command line of `train.py`: an entry, and any field of its recipe."""

import argparse
import re
from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from torchbudget.command import positive_whole_number, suggest, whole_number
from torchbudget.declare.entry import Ensemble, Entry, changed_fields, describe
from torchbudget.declare.zoofile import select_entries
from torchbudget.errors import UsageError
from torchbudget.report.text import first_line
from utils.augmentations import Augmentation
from utils.recipe import Average, Optimizer, Recipe, Schedule
from utils.runs import RunPaths
from utils.teacher_options import (
    HELP,
    apply_teacher_options,
    describe_override,
    take_teacher_options,
)

if TYPE_CHECKING:
    from jsonargparse import ArgumentParser

DEFAULT_ENTRY = "slim"
DATA_ROOT_HELP = "a torchvision MNIST root; default MNIST_ROOT, then data/, downloaded"


def find_zoo(argv: list[str], default: Path) -> Path:
    """The file that `--zoo` names; its entries decide which other options there are.

    Raises `UsageError`.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--zoo", type=Path, default=default)
    try:
        return parser.parse_known_args(argv)[0].zoo
    except argparse.ArgumentError as error:
        raise UsageError(str(error)) from error


def find_device(name: str) -> str:
    """`name` where torch can compute on it; raises `UsageError`."""
    try:
        torch.zeros(1, device=name).item()
    except Exception as error:  # whatever the backend of the device raises
        raise UsageError(f"--device {name} cannot be used here: {first_line(error)}") from error
    return name


def normalise_flags(argv: list[str]) -> list[str]:
    """Each option with underscores for hyphens in its name: `--data-root=a-b` -> `--data_root=a-b`.

    jsonargparse names the options of a recipe by its fields, which have underscores.
    """
    return [
        re.sub(r"^--[^=]+", lambda option: "--" + option[0][2:].replace("-", "_"), word)
        for word in argv
    ]


def find_name(argv: list[str], zoo: dict[str, Entry]) -> str:
    """The entry's name, which comes first; without one `slim`, or the zoo's first entry."""
    if argv and not argv[0].startswith("-"):
        return argv[0]
    return DEFAULT_ENTRY if DEFAULT_ENTRY in zoo else next(iter(zoo))


def parse(argv: list[str], zoo: dict[str, Entry]) -> tuple[Entry, list[str], Namespace]:
    """The entry with its recipe as overridden, the overrides as "field=value", and the options.

    Raises `UsageError`; leaves with exit code 2 where an option is wrong.
    """
    from jsonargparse import set_parsing_settings

    set_parsing_settings(
        subclasses_enabled=[Optimizer, Schedule, Average, Augmentation],
        import_path_denylist=["*"],  # an option names a class of the toolkit, and imports nothing
        import_path_allowlist=["utils"],
    )
    argv = normalise_flags(argv)
    name = find_name(argv, zoo)
    (entry,) = select_entries(zoo, [name])
    if not isinstance(entry, Ensemble) and not isinstance(entry.recipe, Recipe):
        raise UsageError(f"{name} declares no recipe that this program can train it by")
    argv, teaching = take_teacher_options(argv)
    parser = make_parser(entry, zoo)
    options = read_options(parser, argv)
    if options.entry != name:
        raise UsageError(f"the entry comes first: train.py {options.entry} ...")
    check_engine_options(options)
    if isinstance(entry, Ensemble):
        if teaching:
            raise UsageError(f"{name} is an ensemble: its members have teachers, not it")
        return entry, [], options
    recipe = replace(options.recipe, teacher=entry.recipe.teacher)
    recipe = apply_teacher_options(recipe, teaching, zoo)
    changes = changed_fields(describe(entry.recipe), describe(recipe))
    overrides = [describe_override(field, now) for field, _, now in changes]
    if overrides and options.all:
        raise UsageError("--all trains the recipes as declared; name one ENTRY to override its own")
    if overrides and options.record:
        raise UsageError("--record keeps evidence, and a run with overrides is none")
    return replace(entry, recipe=recipe), overrides, options


def read_options(parser: "ArgumentParser", argv: list[str]) -> Namespace:
    """The options, the recipe made of its fields; raises `UsageError`."""
    from jsonargparse import ArgumentError

    try:
        return parser.instantiate(parser.parse_args(argv))
    except ArgumentError as error:
        if "import path denylist" in str(error):
            raise UsageError(
                "--recipe takes the toolkit's classes by their own names, such as SGD; "
                "no other class is imported"
            ) from error
        hint = suggest_option(parser, argv, str(error))
        raise UsageError(f"{error}{hint}; {parser.prog} --help lists what it takes") from error
    except (ValueError, RecursionError) as error:  # what the recipe rejects of the values together
        raise UsageError(first_line(root_cause(error))) from error


def root_cause(error: BaseException) -> BaseException:
    """What the parser's errors are raised from: the reason for a field that may be None, too."""
    while error.__cause__:
        error = error.__cause__
    return error


def suggest_option(parser: "ArgumentParser", argv: list[str], message: str) -> str:
    """The option that is close to the unknown one of which a message speaks; "" for none."""
    known = [option for action in parser._actions for option in action.option_strings]
    for word in argv:
        name = word.partition("=")[0]
        if name.startswith("--") and name not in known and name in message:
            return suggest(name, known)
    return ""


def make_parser(entry: Entry, zoo: dict[str, Entry]) -> "ArgumentParser":
    """The parser for `entry`, whose recipe's fields are options."""
    from jsonargparse import ArgumentParser, DefaultHelpFormatter

    class RecipeHelpFormatter(DefaultHelpFormatter):
        """Adds types and defaults to the fields of a recipe, whose help says neither."""

        def _get_help_string(self, action: argparse.Action) -> str:
            if action.dest.startswith("recipe"):
                return super()._get_help_string(action)
            return action.help or ""

    parser = ArgumentParser(
        prog="train.py",
        formatter_class=RecipeHelpFormatter,
        description="Train an entry of the zoo: one run, one seed, one record.",
        epilog=HELP,
        allow_abbrev=False,
        exit_on_error=False,
    )
    add = parser.add_argument
    add("entry", nargs="?", default=entry.name, help=f"comes first; one of: {', '.join(zoo)}")
    add("--seed", type=whole_number, default=0, help="which run of the entry; default 0")
    add("--resume", action="store_true", help="continue from the newest checkpoint")
    add("--check", action="store_true", help="judge the run; exit with the gates' exit code")
    add("--record", action="store_true", help="let a repetition replace the run that is shipped")
    add_trial_options(parser)
    add("--all", action="store_true", help="train all declared runs that are missing or stale")
    add_engine_options(parser)
    add("--device", default=None, help="cpu, cuda, cuda:1; default: cuda where there is one")
    add("--zoo", type=Path, help="the zoo file; default: zoo.py beside train.py")
    add("--data_root", type=Path, default=None, help=DATA_ROOT_HELP)
    add_kaggle_options(parser)
    for field in RunPaths.__dataclass_fields__:
        add(f"--{field}", type=Path, default=None, help="default: beside the zoo file")
    if isinstance(entry.recipe, Recipe):
        add("--recipe", type=Recipe, default=replace(entry.recipe, teacher=None))
        parser.groups["recipe"].title = "the recipe, field by field"
    return parser


def add_trial_options(parser: "ArgumentParser") -> None:
    """What `train.py` is told of a trial."""
    add = parser.add_argument
    add("--trial", action="store_true", help="judge by val alone, and keep it in the lab book")
    add("--seeds", type=str, default="", help="of the trial, such as 0-4 or 0,3,7; default: 0-4")
    add(
        "--network",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="try the network with this argument, such as width=12; may be given more than once",
    )
    add("--views", type=str, help='try these, such as "View(), View(right=1)"; "()": none')
    add("--lab", type=Path, help="the lab book; default: lab/trials.jsonl beside the zoo file")


def add_engine_options(parser: "argparse.ArgumentParser | ArgumentParser") -> None:
    """How many trainings go on at once, and where; `train.py` and `search.py` take the same."""
    parser.add_argument(
        "--jobs", type=positive_whole_number, help="trainings at once; 1: one after the other"
    )
    parser.add_argument(
        "--threads",
        type=positive_whole_number,
        help="of each training; other threads round anew, so a resumed one keeps its own",
    )
    parser.add_argument(
        "--ray", metavar="ADDRESS", help="train on the Ray cluster at that address, such as auto"
    )


def check_engine_options(options: Namespace) -> None:
    """Raises `UsageError` where one run alone is asked for in parts."""
    if not options.all and (options.ray is not None or options.jobs is not None):
        name = "--jobs" if options.ray is None else "--ray"
        raise UsageError(f"{name} spreads the runs of --all; one run alone is trained here")


def add_kaggle_options(parser: "ArgumentParser") -> None:
    """What `train.py` is told of a competition's files."""
    parser.add_argument(
        "--train_csv",
        type=Path,
        help="train on this file (label,pixel0,...,pixel783); never evidence, goes to results/",
    )
    parser.add_argument(
        "--against",
        type=Path,
        help="the test.csv that is to be predicted: no image in it may be trained on; "
        "of a trial: `declared`, or the entry that it is compared with",
    )
    parser.add_argument(
        "--drop_overlap",
        action="store_true",
        help="leave out of training what is also in the file to be predicted",
    )
    parser.add_argument(
        "--all_rows",
        action="store_true",
        help="train on all rows for the last submission: nothing is held out, nothing is tested",
    )


def find_paths(options: Namespace, zoo_file: Path) -> RunPaths:
    """The paths that the options name; those that they do not name are beside the zoo file."""
    named = {field: getattr(options, field) for field in RunPaths.__dataclass_fields__}
    given = {field: path for field, path in named.items() if path is not None}
    return replace(RunPaths.beside(zoo_file), **given)
