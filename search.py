"""Search for a better recipe of an entry, by its val misses alone: the test images are never looked at.

    python search.py slim --trials 30
    python search.py slim --trials 30 --epochs 6 --fix augment --search schedule.max_lr=0.01:1:log
    python search.py slim --storage postgresql://host/zoo --study slim      # the same on many machines: they share the study
    python search.py mine --search network.width=8:32                       # an argument of the network; its budget is the constraint

The first trial is the recipe as declared. Poor trials are pruned epoch by epoch. The same command goes on until the study has its trials.
Exit codes: 0 done · 1 no trial came to its end · 2 wrong usage · 3 no data, no storage or no disk · 130 interrupted.
"""

import argparse
import re
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import optuna

import environment
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_or_sample
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import TorchBudgetError, UsageError, ZooError
from train import HERE, scale_val
from utils import plots
from utils import study as studies
from utils.checks import check_trainable
from utils.literal import literal, override_words
from utils.options import find_device
from utils.recipe import Recipe
from utils.runs import find_image
from utils.space import Space, make_space

FEWEST_FOR_IMPORTANCES = 2
"""Trials for each number searched, below which the importances mean nothing."""

EXIT_NOTHING, EXIT_USAGE, EXIT_MISSING, EXIT_INTERRUPTED = 1, 2, 3, 130


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="search.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("entry", nargs="?", default="slim")
    parser.add_argument(
        "--trials",
        type=int,
        default=30,
        help="trials of the study in all, those of earlier runs and other machines counted",
    )
    parser.add_argument("--epochs", type=int, help="of each trial; default: the recipe's own")
    parser.add_argument(
        "--seed", type=int, default=0, help="of what is drawn and of every training"
    )
    parser.add_argument(
        "--search",
        action="append",
        default=[],
        metavar="FIELD=LOW:HIGH[:log]",
        help="the range of one number, in place of the derived one",
    )
    parser.add_argument(
        "--fix",
        action="append",
        default=[],
        metavar="FIELD",
        help="leave this, and all beneath it, as declared",
    )
    parser.add_argument(
        "--storage", help="URL of an Optuna storage; default: a SQLite file in --out"
    )
    parser.add_argument("--study", help="name of the study; default: search-ENTRY-DATASET")
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
    options = parser.parse_args(argv)
    options.declared_epochs = None  # known once the entry is
    for name in ("trials", "epochs"):
        if getattr(options, name) is not None and getattr(options, name) < 1:
            raise ZooError(f"--{name} must be at least 1, not {getattr(options, name)}")
    if options.study and not re.fullmatch(r"[\w.-]+", options.study):
        raise ZooError(
            f"--study {options.study!r} names files: letters, digits, dots, dashes and underscores only"
        )
    return options


def find_space(options: argparse.Namespace) -> Space:
    """The space of the entry that is named; raises `ValueError` where there is nothing to search, or nothing to choose by."""
    (entry,) = select_entries(load_zoo(options.zoo, served=("utils",)), [options.entry])
    if not isinstance(entry.recipe, Recipe):
        raise ZooError(
            f"{entry.name} is an ensemble and has no recipe to search; search the recipes of its members"
        )
    if not entry.recipe.val_images:
        raise ZooError(
            f"{entry.name} declares val_images=0: there is nothing to choose by but the test images, and those are not for that"
        )
    options.declared_epochs = entry.recipe.epochs
    check_trainable(entry, find_image(entry))
    entry = replace(
        entry, recipe=replace(entry.recipe, epochs=options.epochs or entry.recipe.epochs)
    )
    return make_space(entry, options.search, options.fix)


def search(space: Space, dataset: Dataset, options: argparse.Namespace) -> int:
    """Bring the study to its trials, then say what came of it. `dataset.test` is not touched."""
    train, val = split_train_val(dataset, scale_val(space.entry, dataset))
    if not len(val):
        raise ZooError(
            f"{space.entry.recipe.val_images} val images of MNIST are none of {dataset.name}: there is nothing to choose by"
        )
    objective = studies.Objective(space, options.seed, train, val, find_device(options.device))
    name = options.study or f"search-{space.entry.name}-{dataset.name}"
    options.out.mkdir(parents=True, exist_ok=True)
    study = studies.open_study(
        studies.open_storage(options.storage or f"sqlite:///{options.out / name}.db"),
        name,
        objective,
    )
    print(introduce(space, dataset.name, len(train), len(val)), flush=True)
    studies.run_trials(study, objective, options.trials)
    return conclude(study, space, len(val), options)


def introduce(space: Space, dataset: str, num_train: int, num_val: int) -> str:
    lines = [
        f"{space.entry.name}: {len(space.ranges)} numbers searched, judged by {num_val:,} val images of {dataset}, {num_train:,} to train on"
    ]
    lines += [
        f"  {name:<28} {space.ranges[name]!s:<28} declared {value:g}"
        for name, value in space.declared.items()
    ]
    if not space.holds_declared:
        lines.append(
            "A range leaves out what is declared: the recipe as declared is not among the trials."
        )
    return "\n".join(lines)


def conclude(study, space: Space, num_val: int, options: argparse.Namespace) -> int:
    """Write the plots, print the best recipe and how to confirm it."""
    trials, best = studies.finished(study), studies.best_trial(study)
    if best is None:
        whys = sorted({trial.user_attrs.get("why", "") for trial in trials})
        return complain(
            f"none of {len(trials)} trials came to its end ({'; '.join(whys)[:200]})", EXIT_NOTHING
        )
    title = f"{study.study_name}: misses of {num_val:,} val images"
    figures = {"history": plots.plot_search(title, trials)}
    importances = studies.find_importances(study)
    if len(trials) < FEWEST_FOR_IMPORTANCES * len(space.ranges):
        importances = {}
    if importances:
        figures["importances"] = plots.plot_importances(
            f"{study.study_name}: what the best trials have in common", importances
        )
    paths = [
        plots.save_figure(figure, options.out / f"{study.study_name}-{name}.png")
        for name, figure in figures.items()
    ]
    tried = space.apply(best.params)
    found = with_declared_epochs(tried, options)
    print(describe_best(found, tried == space.entry, best, num_val, len(trials)))
    if options.epochs and options.epochs != options.declared_epochs:
        print(
            f"\nThe trials had {options.epochs} epochs, the recipe declares "
            f"{options.declared_epochs}: what is best in a short run need not be in a whole one."
        )
    print(f"\nTo train it as an experiment:\n\n{confirm(space.entry, found, options)}\n")
    print(
        f"Plots: {', '.join(map(str, paths))}{'' if importances else ' (too few trials to say which numbers matter)'}"
    )
    print(
        "Val chose this recipe, and a choice flatters: the test images were not read. To confirm it, paste it and run train.py, which reads them once."
    )
    return 0


def with_declared_epochs(tried: Entry, options: argparse.Namespace) -> Entry:
    """What a trial tried, with the epochs that the zoo declares, whatever the trials had."""
    epochs = options.declared_epochs or tried.recipe.epochs
    return replace(tried, recipe=replace(tried.recipe, epochs=epochs))


def describe_best(found: Entry, same: bool, best, num_val: int, num_trials: int) -> str:
    """The best trial and its recipe as Python; `same` where that is the recipe as declared."""
    lines = [
        f"\nBest of {num_trials} trials: trial {best.number}, {best.value:.0f} val misses of {num_val:,}{', with the values that are declared' if same else ''}."
    ]
    lines += ["To paste into zoo.py:", ""]
    if isinstance(found.network, partial):
        lines.append(
            f"        network={name_network(found.network)},  # from functools import partial"
        )
    return "\n".join([*lines, f"        recipe={literal(found.recipe, 8)},"])


def name_network(network: partial) -> str:
    return f"partial({', '.join([network.func.__name__, *(f'{name}={value!r}' for name, value in network.keywords.items())])})"


def confirm(declared: Entry, found: Entry, options: argparse.Namespace) -> str:
    """The command that trains what was found; an argument of the network has to be pasted first."""
    (zoo_entry,) = select_entries(load_zoo(options.zoo, served=("utils",)), [options.entry])
    words = [
        f".venv/bin/python train.py {found.name} --seed {options.seed}",
        *([f"--zoo {options.zoo}"] if options.zoo != HERE / "zoo.py" else []),
    ]
    if isinstance(found.network, partial):
        return f"    {' '.join(words)}    # once network and recipe are pasted"
    return "    " + " \\\n        ".join(
        [" ".join(words), *override_words(zoo_entry.recipe, found.recipe)]
    )


def main(argv: list[str] | None = None) -> int:
    """Parse, load the data, search."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        options = parse(sys.argv[1:] if argv is None else argv)
        space = find_space(options)
        return search(space, load_or_sample(space.entry.data, options.data_root), options)
    except (UsageError, ValueError) as error:
        return complain(str(error), EXIT_USAGE)
    except studies.StudyError as error:
        return complain(str(error), error.exit_code)
    except optuna.exceptions.StorageInternalError as error:
        return complain(
            f"the storage failed: {str(error.__cause__ or error).splitlines()[0]}; the same command goes on",
            EXIT_MISSING,
        )
    except TorchBudgetError as error:
        return complain(str(error), error.exit_code)
    except OSError as error:
        return complain(str(error), EXIT_MISSING)
    except KeyboardInterrupt:
        return complain(
            "interrupted; the same command goes on where the study is", EXIT_INTERRUPTED
        )


def complain(message: str, code: int) -> int:
    print(f"search.py: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
