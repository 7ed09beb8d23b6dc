"""Search for a better recipe of an entry by its val misses; the test images are never read.

    python search.py slim --trials 30
    python search.py slim --epochs 6 --search schedule.max_lr=0.01:1:log
    python search.py slim --storage postgresql://host/zoo --study slim
    python search.py mine --search network.width=8:32
    python search.py slim --jobs 2                    # two trials at once
    python search.py slim --ray auto                  # on a Ray cluster

The first trial is the recipe as declared. Poor trials are pruned after an epoch. The same command
continues an interrupted study. Several machines share a study by the same --storage and --study.
With trials at once, the draws depend on which trial ends first.
`network.width` is an argument of the network; a network over its budget is not trained.

Exit codes: 0 done · 1 no trial was completed · 2 wrong usage · 3 no data, no storage or no disk ·
130 interrupted
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("search.py")

import argparse
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna
import torch
from optuna.trial import FrozenTrial

import environment
from torchbudget.command import Parser, complain, positive_whole_number, run_main, whole_number
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_or_sample
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import (
    EXIT_FAIL,
    EXIT_PASS,
    Interrupted,
    TorchBudgetError,
    UsageError,
    ZooError,
)
from torchbudget.report.text import first_line
from train import HERE
from utils import plots
from utils import study as studies
from utils.checks import check_trainable
from utils.lessons import Lessons
from utils.literal import literal, override_words
from utils.options import add_engine_options, find_device
from utils.recipe import Recipe
from utils.runs import RunPaths, find_image, scale_val
from utils.search_at_once import run_at_once
from utils.space import Space, make_space
from utils.teachers import open_lessons
from utils.throughput import find_threads

PROG = "search.py"
FEWEST_FOR_IMPORTANCES = 2
"""Trials for each number searched, below which the importances mean nothing."""


def make_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__)
    parser.add_argument("entry", nargs="?", default="slim")
    parser.add_argument(
        "--trials",
        type=positive_whole_number,
        default=30,
        help="trials of the study, including those of earlier runs and other machines",
    )
    parser.add_argument(
        "--epochs", type=positive_whole_number, help="of each trial; default: the recipe's own"
    )
    parser.add_argument(
        "--seed", type=whole_number, default=0, help="of the draws and of every training"
    )
    parser.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="FIELD=LOW:HIGH[:log]",
        help="the range of one number, instead of the derived one",
    )
    parser.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="FIELD",
        help="keep this field, and all fields inside it, as declared",
    )
    parser.add_argument(
        "--storage", help="URL of an Optuna storage; default: a SQLite file in --out"
    )
    parser.add_argument("--study", help="name of the study; default: search-ENTRY-DATASET")
    add_engine_options(parser)
    parser.add_argument("--device", default=environment.default_device(), help="cpu, cuda, cuda:1")
    parser.add_argument("--zoo", type=Path, default=HERE / "zoo.py")
    parser.add_argument(
        "--data-root",
        type=Path,
        help="a torchvision MNIST root; default MNIST_ROOT, then data/, downloaded",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results"),
        help="folder of the study's file and of the plots",
    )
    return parser


def parse(argv: list[str]) -> argparse.Namespace:
    """The options; raises `UsageError`."""
    options = make_parser().parse_args(argv)
    options.declared_epochs = None  # `find_space` sets it
    if options.study and not re.fullmatch(r"[\w.-]+", options.study):
        raise UsageError(
            f"--study {options.study!r} names files: "
            "use letters, digits, dots, dashes and underscores only"
        )
    return options


def find_declared(options: argparse.Namespace) -> Entry:
    """The entry as the zoo file declares it."""
    (entry,) = select_entries(load_zoo(options.zoo, served=("utils",)), [options.entry])
    return entry


def find_space(options: argparse.Namespace) -> Space:
    """The search space of the entry; raises `UsageError` if there is none or no val images."""
    entry = find_declared(options)
    if not isinstance(entry.recipe, Recipe):
        raise ZooError(
            f"{entry.name} is an ensemble and has no recipe to search; "
            "search the recipes of its members"
        )
    if not entry.recipe.val_images:
        raise ZooError(
            f"{entry.name} declares val_images=0, so no images are left to choose a recipe by; "
            "the test images are never used for that"
        )
    options.declared_epochs = entry.recipe.epochs
    check_trainable(entry, find_image(entry))
    recipe = replace(entry.recipe, epochs=options.epochs or entry.recipe.epochs)
    return make_space(replace(entry, recipe=recipe), options.search, options.fix)


def search(space: Space, dataset: Dataset, options: argparse.Namespace) -> int:
    """Run the study's trials and print the result; the exit code. `dataset.test` is not read."""
    train, val = split_train_val(dataset, scale_val(space.entry, dataset))
    if not len(val):
        raise ZooError(
            f"{space.entry.recipe.val_images} val images of MNIST scale to none of {dataset.name}, "
            "so no images are left to choose a recipe by"
        )
    device = find_device(options.device)
    paths = RunPaths.beside(options.zoo.resolve())

    def teach(entry: Entry) -> Lessons | None:
        return open_lessons(entry, dataset, train, val, paths, device)

    teach(space.entry)  # what must not teach is said before the study begins
    objective = studies.Objective(space, options.seed, train, val, device, teach)
    name = options.study or f"search-{space.entry.name}-{dataset.name}"
    options.out.mkdir(parents=True, exist_ok=True)
    storage = studies.open_storage(options.storage or f"sqlite:///{options.out / name}.db")
    study = studies.open_study(storage, name, objective)
    print(introduce(space, dataset.name, len(train), len(val)), flush=True)
    if options.ray is None and (options.jobs or 1) == 1:
        torch.set_num_threads(options.threads or find_threads(space.entry, train, device))
        studies.run_trials(study, objective, options.trials)
    else:
        run_at_once(study, storage, objective, dataset, options)
    with studies.reading_study(name):
        best = studies.best_trial(study)
        if best is not None:
            space.apply(best.params)
    return conclude(study, space, len(val), options)


def introduce(space: Space, dataset: str, num_train: int, num_val: int) -> str:
    """The numbers searched, with their ranges and declared values."""
    lines = [
        f"{space.entry.name}: {len(space.ranges)} numbers searched on {dataset},\n"
        f"{num_train:,} images to train on and {num_val:,} val images to judge by"
    ]
    for name, value in space.declared.items():
        lines.append(f"  {name:<28} {space.ranges[name]!s:<28} declared {value:g}")
    if not space.holds_declared:
        lines.append(
            "A range excludes the declared value, so the recipe as declared is not a trial."
        )
    return "\n".join(lines)


def conclude(study: optuna.Study, space: Space, num_val: int, options: argparse.Namespace) -> int:
    """Write the plots, print the best recipe and how to confirm it; the exit code."""
    trials = studies.finished(study)
    best = studies.best_trial(study)
    if best is None:
        reasons = sorted({trial.user_attrs.get("why", "") for trial in trials})
        complain(PROG, f"none of {len(trials)} trials was completed ({'; '.join(reasons)[:200]})")
        return EXIT_FAIL
    tried = space.apply(best.params)
    proposed = with_declared_epochs(tried, options)
    plotted = draw_plots(study, space, trials, num_val, options.out)
    print(describe_best(proposed, tried == space.entry, best, num_val, len(trials)))
    if options.epochs and options.epochs != options.declared_epochs:
        print(
            f"\nThe trials had {options.epochs} epochs, the recipe declares "
            f"{options.declared_epochs}: the best recipe\n"
            "of short runs may not be the best of whole ones."
        )
    print(f"\nTo train it as an experiment:\n\n{confirm(proposed, options)}\n")
    print(plotted)
    print(
        "This recipe was chosen by its val misses, which are therefore too optimistic.\n"
        "The test images were not read. To confirm the recipe, paste it and run\n"
        "train.py, which reads them once."
    )
    return EXIT_PASS


def draw_plots(
    study: optuna.Study, space: Space, trials: list[FrozenTrial], num_val: int, folder: Path
) -> str:
    """Write the plots of the study into `folder`, and name them in a line."""
    name = study.study_name
    history = plots.plot_search(f"{name}: misses of {num_val:,} val images", trials)
    paths = [plots.save_figure(history, folder / f"{name}-history.png")]
    importances = studies.find_importances(study)
    if not importances or len(trials) < FEWEST_FOR_IMPORTANCES * len(space.ranges):
        return f"Plots: {paths[0]} (too few trials to say which numbers matter)"
    title = f"{name}: what the best trials have in common"
    shares = plots.plot_importances(title, importances)
    paths.append(plots.save_figure(shares, folder / f"{name}-importances.png"))
    return f"Plots: {', '.join(map(str, paths))}"


def with_declared_epochs(tried: Entry, options: argparse.Namespace) -> Entry:
    """The entry that a trial tried, with the number of epochs that the zoo file declares."""
    epochs = options.declared_epochs or tried.recipe.epochs
    return replace(tried, recipe=replace(tried.recipe, epochs=epochs))


def describe_best(
    entry: Entry, is_declared: bool, best: FrozenTrial, num_val: int, num_trials: int
) -> str:
    """The best trial, and its recipe as Python."""
    result = f"trial {best.number}, {best.value:.0f} val misses of {num_val:,}"
    if is_declared:
        result += ", with the values that are declared"
    lines = [f"\nBest of {num_trials} trials: {result}.", "To paste into zoo.py:", ""]
    if isinstance(entry.network, partial):
        network = name_network(entry.network)
        lines.append(f"        network={network},  # from functools import partial")
    lines.append(f"        recipe={literal(entry.recipe, 8)},")
    return "\n".join(lines)


def name_network(network: partial) -> str:
    """The `partial` as Python."""
    words = [network.func.__name__]
    for name, value in network.keywords.items():
        words.append(f"{name}={value!r}")
    return f"partial({', '.join(words)})"


def confirm(proposed: Entry, options: argparse.Namespace) -> str:
    """The command that trains `proposed`; an argument of the network has to be pasted first."""
    command = f".venv/bin/python train.py {proposed.name} --seed {options.seed}"
    if options.zoo != HERE / "zoo.py":
        command += f" --zoo {options.zoo}"
    if isinstance(proposed.network, partial):
        return f"    {command}    # once network and recipe are pasted"
    overrides = override_words(find_declared(options).recipe, proposed.recipe)
    return "    " + " \\\n        ".join([command, *overrides])


def run(argv: list[str] | None) -> int:
    """Parse the options, load the data and search; the exit code."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        space = find_space(options)
        dataset = load_or_sample(space.entry.data, options.data_root, options.zoo.resolve().parent)
        return search(space, dataset, options)
    except optuna.exceptions.StorageInternalError as error:
        reason = first_line(error.__cause__ or error)
        raise TorchBudgetError(
            f"the storage failed: {reason}; the same command continues"
        ) from error
    except KeyboardInterrupt:
        raise Interrupted("interrupted; the same command continues the study") from None


def main(argv: list[str] | None = None) -> int:
    """Search for what the command line asks; the exit code."""
    return run_main(lambda: run(argv), PROG, outlive_reader=True)


if __name__ == "__main__":
    sys.exit(main())
