"""Train an entry of the zoo: one run, one seed, one record.

    python train.py slim --seed 0
    python train.py slim --recipe.epochs 3 --recipe.schedule.max_lr 0.05     # an experiment: recorded as such, never as evidence
    python train.py slim --resume
    python train.py slim --resume --recipe.schedule.max_lr 0.02              # go on at another learning rate; no evidence either
    python train.py slim --check             # and judge what it made
    python train.py slim --train-csv train.csv --against test.csv            # on Kaggle's files; no evidence either
    python train.py --all                    # every entry and declared seed whose evidence is missing or stale

A run chooses on val and reads the test images once, after the last epoch, with the weights that it ships.
Exit codes: 0 done · 1 the loss was not finite, or the run would be void · 2 wrong usage · 3 no data, no checkpoint or no disk · 130 interrupted.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

import environment
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_dataset, load_or_sample
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Ensemble, Entry, changed_fields, describe
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import (
    CheckpointError,
    DataError,
    NetworkError,
    OverlapError,
    ResultsError,
    WeightsError,
    ZooError,
)
from torchbudget.evidence import machine
from torchbudget.evidence.record import Clock, RecordedRun, record_ensemble, record_run
from torchbudget.evidence.results import (
    Run,
    is_evidence,
    read_results,
    run_stem,
)
from torchbudget.evidence.weights import (
    weights_digest,
    weights_paths,
)
from torchbudget.network.structure import count_params, network_digest
from torchbudget.network.trace import build
from utils import checkpoint, kaggle, plots
from utils.augmentations import Augmentation
from utils.recipe import Average, Optimizer, Recipe, Schedule
from utils.resume import resume_training
from utils.training import Diverged, Training

HERE = Path(__file__).resolve().parent
DEFAULT = "slim"
EXIT_VOID, EXIT_USAGE, EXIT_MISSING, EXIT_INTERRUPTED = 1, 2, 3, 130


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where a run reads and writes. Evidence goes to `results` and `weights`, all else to `output`."""

    results: Path = Path("results.json")
    weights: Path = Path("weights")
    output: Path = Path("results")
    checkpoints: Path = Path("checkpoints")

    def weights_of(self, entry: Entry, dataset: str, overrides: Sequence[str] = ()) -> Path:
        """The folder for a run's weights: `weights` where it is evidence."""
        return self.output if overrides or dataset != entry.dataset else self.weights


def run(
    entry: Entry,
    seed: int,
    dataset: Dataset,
    *,
    places: Places,
    device: str = "cpu",
    overrides: list[str] | None = None,
    resume: bool = False,
) -> Run:
    """One run of `entry`: train, measure test once, write weights, evidence, history and plots. Returns the record.

    `entry.recipe` is what runs; `overrides` names what was changed from the zoo's. Raises `Diverged`, `DataError`, `CheckpointError`.
    """
    clock = Clock.start()
    overrides = overrides or []
    resumed: list[str] = []
    train, val = split_train_val(dataset, scale_val(entry, dataset))
    training = Training(entry, seed, train, val, torch.device(device))
    plain, folder = (
        places.checkpoints / run_stem(entry.name, seed, dataset.name, each)
        for each in ([], overrides)
    )
    if resume:
        resumed = resume_training(
            training, folder if checkpoint.list_checkpoints(folder) else plain
        )
    else:
        checkpoint.clear_checkpoints(folder)
    print(
        f"{entry.name}, seed {seed}: {count_params(training.network):,} parameters, {len(train):,} training and {len(val):,} val images of {dataset.name}"
    )
    print(f"{training.precision} on {machine.device_name(device)}", flush=True)
    while len(training.history) < entry.recipe.epochs:
        training.epoch()
        checkpoint.save_checkpoint(
            folder,
            len(training.history),
            training.state_dict() | {"recipe": describe(entry.recipe), "resumed": resumed},
        )
        print(describe_epoch(training), flush=True)
    overrides = overrides + resumed
    recorded = record_run(
        entry,
        seed,
        training.final_network(),
        folder=HERE,
        results=places.results,
        weights=places.weights_of(entry, dataset.name, overrides),
        dataset=dataset,
        train=train,
        val=val,
        recipe=training.recipe,
        overrides=overrides,
        precision=training.precision,
        steps=training.steps,
        batch_size=training.batch_size,
        seconds=training.seconds,
        history=training.history,
        device=device,
        clock=clock,
    )
    return conclude(recorded, entry, dataset, places)


def run_all(
    entry: Ensemble, dataset: Dataset, *, places: Places, device: str = "cpu", resume: bool = False
) -> Run:
    """The run of an ensemble: train the members whose record is missing or stale, then let them vote on test, once. Raises as `run`."""
    for member, seed in entry.member_runs:
        if dataset.name != kaggle.NAME and is_current(member, seed, dataset.name, places):
            print(f"{member.name}, seed {seed}: record in place")
        else:
            started = resume and checkpoint.list_checkpoints(
                places.checkpoints / run_stem(member.name, seed, dataset.name, [])
            )
            run(member, seed, dataset, places=places, device=device, resume=bool(started))
    clock = Clock.start()
    runs = {run.stem: run for run in read_results(places.results)}
    members = [
        runs[run_stem(member.name, seed, dataset.name, [])] for member, seed in entry.member_runs
    ]
    print(f"{entry.name}: {len(members)} networks vote, by mean {entry.vote}", flush=True)
    recorded = record_ensemble(
        entry,
        members,
        folder=HERE,
        results=places.results,
        weights=places.weights_of(entry, dataset.name),
        dataset=dataset,
        clock=clock,
    )
    return conclude(recorded, entry, dataset, places)


def conclude(recorded: RecordedRun, entry: Entry, dataset: Dataset, places: Places) -> Run:
    """Draw the run's pictures and say what came of it; returns its record."""
    run = recorded.run
    plots.write_run(places.output, run, recorded.test, dataset.test)
    folder = places.weights_of(entry, dataset.name, run.overrides)
    print(summarise(run, folder, is_evidence(run, entry)))
    return run


def scale_val(entry: Entry, dataset: Dataset) -> int:
    """The recipe's val images, or on the sample the same share of it."""
    return (
        entry.recipe.val_images
        if dataset.name == entry.dataset
        else entry.recipe.val_images * len(dataset.train) // 60_000
    )


def describe_epoch(training: Training) -> str:
    row, done = training.history[-1], len(training.history)
    val = (
        f"val loss {row.val_loss:.4f}, val misses {row.val_misses} of {len(training.val):,}, "
        if row.val_loss is not None
        else ""
    )
    left = sum(each.seconds for each in training.history) / done * (training.recipe.epochs - done)
    return f"epoch {done:>2}/{training.recipe.epochs}  train loss {row.train_loss:.4f}, {val}lr {row.lr:.5f}, {row.seconds:.1f} s, {left / 60:.1f} min left"


def summarise(record: Run, weights: Path, counts_as_evidence: bool) -> str:
    lines = [
        f"test: {record.test.misses} misses of {record.test.total:,} ({1 - record.test.misses / record.test.total:.2%})"
        + (
            f", {record.test_without_views.misses} without views"
            if record.test_without_views
            else ""
        )
        + (f", val: {record.val.misses} of {record.val.total:,}" if record.val else ""),
        f"trained in {record.train_seconds:.0f} s; weights in {weights}/, history and pictures in {record.stem}-*",
    ]
    if not counts_as_evidence:
        why = (
            f"overridden: {', '.join(record.overrides)}"
            if record.overrides
            else f"trained on {record.dataset}"
        )
        lines.append(f"This run is no evidence for the budget of {record.entry} ({why}).")
    return "\n".join(lines)


# --- command line -----------------------------------------------------------------------------------------------------


def find_zoo(argv: list[str]) -> Path:
    """The file that `--zoo` names; its entries decide which other options there are."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--zoo", type=Path, default=HERE / "zoo.py")
    return parser.parse_known_args(argv)[0].zoo


def find_device(name: str) -> str:
    """`name` where torch can compute on it; raises `ZooError`."""
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ZooError(
            f"--device {name} is not to be had here: {str(error).splitlines()[0]}"
        ) from error
    return name


def parse(argv: list[str], zoo: dict[str, Entry]) -> tuple[Entry, list[str], object]:
    """The entry with its recipe as overridden, the overrides as "field=value", and the other options."""
    from jsonargparse import ArgumentParser, set_parsing_settings

    set_parsing_settings(subclasses_enabled=[Optimizer, Schedule, Average, Augmentation])
    argv = [
        re.sub(r"^--[^=]+", lambda option: "--" + option[0][2:].replace("-", "_"), word)
        for word in argv
    ]
    name = (
        argv[0]
        if argv and not argv[0].startswith("-")
        else DEFAULT
        if DEFAULT in zoo
        else next(iter(zoo))
    )
    (entry,) = select_entries(zoo, [name])
    parser = ArgumentParser(prog="train.py", description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "entry", nargs="?", default=name, help=f"comes first; one of: {', '.join(zoo)}"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help="go on from the newest checkpoint")
    parser.add_argument(
        "--check",
        action="store_true",
        help="run the gates on what was made; their exit code is this program's",
    )
    parser.add_argument(
        "--all",
        action="store_true",
        help="train every entry and declared seed whose evidence is missing or stale",
    )
    parser.add_argument("--device", default=environment.default_device(), help="cpu, cuda, cuda:1")
    parser.add_argument(
        "--zoo", type=Path, default=HERE / "zoo.py", help="the zoo file; judged by check.py --zoo"
    )
    parser.add_argument(
        "--data_root",
        type=Path,
        default=None,
        help="a torchvision MNIST root; default MNIST_ROOT, then data/, downloaded",
    )
    kaggle.add_options(parser)
    for field in ("results", "weights", "output", "checkpoints"):
        parser.add_argument(f"--{field}", type=Path, default=getattr(Places, field))
    if not isinstance(entry, Ensemble):
        parser.add_argument("--recipe", type=Recipe, default=entry.recipe)
    options = parser.instantiate(parser.parse_args(argv))
    if options.entry != name:
        raise ZooError(f"the entry comes first: train.py {options.entry} ...")
    if isinstance(entry, Ensemble):
        return entry, [], options
    overrides = [
        f"{field}={now}"
        for field, _, now in changed_fields(describe(entry.recipe), describe(options.recipe))
    ]
    return replace(entry, recipe=options.recipe), overrides, options


def is_current(entry: Entry, seed: int, dataset: str, places: Places) -> bool:
    """Whether the record of `seed` is of this network, recipe and views, its weights (all members') in place."""
    runs = {record.stem: record for record in read_results(places.results)}
    record = runs.get(run_stem(entry.name, seed, dataset, []))
    if (
        record is None
        or changed_fields(record.recipe, describe(entry.recipe))
        or record.views != describe(entry.views)
    ):
        return False
    paths = weights_paths(entry, seed, places.weights_of(entry, dataset), dataset)
    in_place = (
        all(path.is_file() for path in paths) and weights_digest(paths) == record.digests.weights
    )
    return in_place and record.digests.network == network_digest(
        build(entry.network), entry.data.image or load_dataset(entry.data).image
    )


def check(record: Run, entry: Entry, zoo_file: Path, places: Places, data_root: Path | None) -> int:
    """Judge `record` by check.py in a process of its own; a run that is no evidence is judged by what does not need any."""
    command = [
        sys.executable,
        HERE / "check.py",
        entry.name,
        "--zoo",
        zoo_file,
        "--results",
        places.results,
        "--weights",
        places.weights,
    ]
    if record.overrides or record.dataset != entry.dataset:
        print(
            f"The gates on evidence do not judge this run; params and structure of {entry.name} as the zoo declares it:"
        )
        command += ["--only", "params,structure"]
    return subprocess.run(
        command + (["--data-root", data_root] if data_root else []), check=False
    ).returncode


def main(argv: list[str] | None = None) -> int:
    """Parse, load the data, run."""
    argv = sys.argv[1:] if argv is None else argv
    try:
        zoo_file = find_zoo(argv)
        zoo = load_zoo(zoo_file)
        entry, overrides, options = parse(argv, zoo)
        places = Places(
            results=options.results,
            weights=options.weights,
            output=options.output,
            checkpoints=options.checkpoints,
        )
        todo = (
            [(each, seed) for each in zoo.values() for seed in range(each.budget.seeds)]
            if options.all
            else [(entry, options.seed)]
        )
        asked, worst = kaggle.load_asked(options), 0
        for each, seed in todo:
            if options.all and is_current(each, seed, each.dataset, places):
                print(f"{each.name}, seed {seed}: evidence in place")
                continue
            dataset = asked or load_or_sample(each.data, options.data_root)
            settings = {
                "places": places,
                "device": find_device(options.device),
                "resume": options.resume,
            }
            record = (
                run_all(each, dataset, **settings)
                if isinstance(each, Ensemble)
                else run(each, seed, dataset, overrides=overrides, **settings)
            )
            worst = max(
                worst,
                check(record, each, zoo_file, places, options.data_root) if options.check else 0,
            )
        return worst
    except (ZooError, ValueError) as error:
        return complain(str(error), EXIT_USAGE)
    except (Diverged, OverlapError) as error:
        return complain(str(error), EXIT_VOID)
    except (
        DataError,
        NetworkError,
        CheckpointError,
        WeightsError,
        ResultsError,
        OSError,
    ) as error:
        return complain(str(error), EXIT_MISSING)
    except KeyboardInterrupt:
        return complain(
            "interrupted; the same command with --resume goes on (make train ARGS=--resume)",
            EXIT_INTERRUPTED,
        )


def complain(message: str, code: int) -> int:
    print(f"train.py: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
