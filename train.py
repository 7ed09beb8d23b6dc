"""Train an entry of the zoo: one run, one seed, one record.

    python train.py slim --seed 0
    python train.py slim --check                               # and judge the run
    python train.py slim --record                              # replace the run that is shipped
    python train.py slim --recipe.epochs 3 --recipe.schedule.max_lr 0.05         # an experiment
    python train.py slim --resume
    python train.py slim --resume --recipe.schedule.max_lr 0.02  # continue at another rate
    python train.py slim --train-csv train.csv --against test.csv                # Kaggle's files
    python train.py --all                                      # whatever is missing or stale
    python train.py mine --zoo elsewhere/zoo.py                # all is written beside that file

A run makes its choices on val and reads the test images once, after the last epoch, with the
weights that it ships. It is recorded in results.json and weights/ where it is evidence of the
entry's budget that is missing or stale. Everything else goes to results/: experiments, runs on
other images, and repetitions of shipped runs.

Exit codes: 0 done · 1 the loss was not finite, the result would be void, or a gate failed ·
2 wrong usage · 3 no data, no checkpoint or no disk · 130 interrupted, 143 by SIGTERM
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("train.py")

import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import torch

import environment
from torchbudget.command import FULL, run_main
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_or_sample
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Ensemble, Entry, describe
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import Interrupted, StorageError
from torchbudget.evidence import machine
from torchbudget.evidence.record import Clock, record_ensemble, record_run
from torchbudget.evidence.results import Run, is_evidence, run_stem, settle_runs
from torchbudget.network.structure import count_params
from utils import checkpoint, kaggle, plots
from utils.checks import check_trainable
from utils.options import find_device, find_paths, find_zoo, parse
from utils.preflight import check_can_record
from utils.refresh import refresh
from utils.resume import resume_training
from utils.runs import RunPaths, Store, choose_store, compare_runs, is_current, put_in_place
from utils.training import Training

HERE = Path(__file__).resolve().parent
MNIST_TRAIN = 60_000
AGAIN = "the same command with --resume continues (make train ARGS=--resume)"


def run(
    entry: Entry,
    seed: int,
    dataset: Dataset,
    *,
    paths: RunPaths,
    device: str = "cpu",
    overrides: list[str] | None = None,
    resume: bool = False,
    record: bool = False,
) -> Run:
    """Train `entry` once, measure test once, write weights, record, history and pictures.

    `entry.recipe` is what runs; `overrides` names what was changed from the zoo's recipe. With
    `record`, a repetition replaces the shipped run. Raises `NetworkError`, `Diverged`, `DataError`,
    `CheckpointError` and `ResultsError`.
    """
    check_trainable(entry, dataset.image)
    clock = Clock.start()
    overrides = overrides or []
    num_val = scale_val(entry, dataset) if len(dataset.test) else 0  # all rows: nothing is chosen
    train, val = split_train_val(dataset, num_val)
    training = Training(entry, seed, train, val, torch.device(device))
    folder = paths.checkpoints / run_stem(entry.name, seed, dataset.name, overrides)
    for stray in checkpoint.list_strays(folder):
        print(f"{stray} is no checkpoint of a run: left as it is")
    resumed: list[str] = []
    if resume:
        unchanged = paths.checkpoints / run_stem(entry.name, seed, dataset.name, [])
        own = checkpoint.list_checkpoints(folder)
        resumed = resume_training(training, folder if own else unchanged)
    store = choose_store(entry, seed, dataset.name, overrides + resumed, paths, record)
    check_can_record(training, store, paths, folder)
    if not resume:
        checkpoint.clear_checkpoints(folder)
    print(
        f"{entry.name}, seed {seed}: {count_params(training.network):,} parameters\n"
        f"{len(train):,} training and {len(val):,} val images of {dataset.name}\n"
        f"{training.precision} on {machine.device_name(device)}",
        flush=True,
    )
    train_epochs(training, folder, resumed)
    recorded = record_run(
        entry,
        seed,
        training.final_network(),
        folder=paths.results.parent,
        dataset=dataset,
        train=train,
        val=val,
        steps=training.steps,
        batch_size=training.batch_size,
        seconds=training.seconds,
        history=training.history,
        precision=training.precision,
        overrides=overrides + resumed,
        recipe=entry.recipe,
        device=device,
        clock=clock,
        results=store.results,
        weights=store.weights,
        describe_run=lambda recorded: plots.draw_run(
            paths.output, recorded.run, recorded.test, dataset.test, training.train_misses
        ),
    )
    report(recorded.run, entry, store, paths)
    return recorded.run


def train_epochs(training: Training, folder: Path, resumed: list[str]) -> None:
    """Train to the recipe's last epoch, with a checkpoint in `folder` and a line an epoch."""
    while len(training.history) < training.recipe.epochs:
        training.epoch()
        state = training.state_dict()
        state |= {"recipe": describe(training.recipe), "resumed": resumed}
        checkpoint.save_checkpoint(folder, len(training.history), state)
        print(describe_epoch(training), flush=True)


def run_ensemble(
    entry: Ensemble,
    dataset: Dataset,
    *,
    paths: RunPaths,
    device: str = "cpu",
    resume: bool = False,
    record: bool = False,
) -> Run:
    """Train the members whose runs are missing or stale, then measure their vote on test, once.

    Raises as `run`.
    """
    own_data = dataset.name == entry.dataset
    members = paths.shipped if own_data else paths.local
    for member, seed in entry.member_runs:
        if dataset.name != kaggle.NAME and is_current(member, seed, dataset.name, members):
            print(f"{member.name}, seed {seed}: record in place")
            continue
        folder = paths.checkpoints / run_stem(member.name, seed, dataset.name, [])
        begun = resume and bool(checkpoint.list_checkpoints(folder))
        run(member, seed, dataset, paths=paths, device=device, resume=begun)
    clock = Clock.start()
    store = choose_store(entry, 0, dataset.name, [], paths, record)
    print(f"{entry.name}: {len(entry.member_runs)} networks vote, by mean {entry.vote}", flush=True)
    recorded = record_ensemble(
        entry,
        [members.get(member, seed, dataset.name) for member, seed in entry.member_runs],
        folder=paths.results.parent,
        dataset=dataset,
        clock=clock,
        results=store.results,
        weights=members.weights,
        describe_run=lambda recorded: plots.draw_run(
            paths.output, recorded.run, recorded.test, dataset.test
        ),
    )
    report(recorded.run, entry, store, paths)
    return recorded.run


def scale_val(entry: Entry, dataset: Dataset) -> int:
    """The recipe's number of val images; of a smaller data set the same share."""
    if dataset.name == entry.dataset:
        return entry.val_images
    return entry.val_images * len(dataset.train) // MNIST_TRAIN


# --- what is printed ------------------------------------------------------------------------------


def describe_epoch(training: Training) -> str:
    """An epoch in at most 80 columns."""
    row = training.history[-1]
    done = len(training.history)
    epochs = training.recipe.epochs
    left = sum(epoch.seconds for epoch in training.history) / done * (epochs - done)
    parts = [f"loss {row.train_loss:.4f}"]
    if row.val_loss is not None:
        parts.append(f"val {row.val_loss:.4f} ({row.val_misses} misses)")
    parts += [f"lr {row.lr:.2g}", f"{row.seconds:.3g} s", f"{left / 60:.0f} min left"]
    return f"epoch {done:>2}/{epochs} {', '.join(parts)}"


def report(result: Run, entry: Entry, store: Store, paths: RunPaths) -> None:
    """Print what a run gave and what it counts as."""
    print(describe_misses(result))
    print(
        f"trained in {result.train_seconds:.0f} s; weights in {store.weights}/\n"
        f"history and pictures in {paths.output}/{result.stem}-*"
    )
    if why := why_no_evidence(result, entry):
        print(f"This run is no evidence for the budget of {result.entry} ({why}).")
    elif store == paths.shipped:
        print(f"recorded in {store.results}")
    elif shipped := paths.shipped.find(result.stem):
        print(
            f"{compare_runs(result, shipped)}\nThe shipped run stays; this one is in "
            f"{store.results}. --record (make train RECORD=1) replaces the shipped one."
        )


def describe_misses(result: Run) -> str:
    if not result.test.total:
        return "trained on all rows: there are no test images"
    accuracy = 1 - result.test.misses / result.test.total
    text = f"test: {result.test.misses} misses of {result.test.total:,} ({accuracy:.2%})"
    if result.test_without_views:
        text += f", {result.test_without_views.misses} without views"
    if result.val:
        text += f", val: {result.val.misses} of {result.val.total:,}"
    return text


def why_no_evidence(result: Run, entry: Entry) -> str:
    """Why a run says nothing of the entry's budget; "" where it does."""
    if result.overrides:
        return f"overridden: {', '.join(result.overrides)}"
    if not is_evidence(result, entry):
        return f"trained on {result.dataset}"
    if result.seed >= entry.budget.seeds:
        return f"the budget declares {entry.budget.seeds} seeds, from 0"
    return ""


# --- command line ---------------------------------------------------------------------------------


def judge(result: Run, entry: Entry, zoo_file: Path, paths: RunPaths, options: Namespace) -> int:
    """The exit code of check.py for a run; a repetition is judged in the place of the shipped run.

    A run that is no evidence is judged by the gates that need none.
    """
    if why_no_evidence(result, entry):
        print(f"Judged are params and structure of {entry.name}, as the zoo declares it:")
        return check(entry, zoo_file, paths.shipped, options, "--only", "params,structure")
    shipped = paths.shipped.find(result.stem)
    if shipped and shipped.seal == result.seal:
        return check(entry, zoo_file, paths.shipped, options)
    with put_in_place(result, entry, paths) as store:
        print("The gates on this run, in the place of the shipped one:", flush=True)
        return check(entry, zoo_file, store, options)


def check(entry: Entry, zoo_file: Path, store: Store, options: Namespace, *words: str) -> int:
    """Judge `entry` by check.py in a process of its own; its exit code."""
    command = [sys.executable, HERE / "check.py", entry.name, "--zoo", zoo_file, *words]
    command += ["--weights", store.weights]
    if store.results.is_file():
        command += ["--results", store.results]
    if options.data_root:
        command += ["--data-root", options.data_root]
    return subprocess.run(command, check=False).returncode


def train(argv: list[str]) -> int:
    """Train what the command line asks for; the exit code, with `--check` the gates' worst."""
    zoo_file = find_zoo(argv, HERE / "zoo.py").resolve()
    zoo = load_zoo(zoo_file, served=("utils",))
    entry, overrides, options = parse(argv, zoo)
    paths = find_paths(options, zoo_file)
    for store in (paths.shipped, paths.local):
        for path in settle_runs(store.results, [store.weights, paths.output]):
            print(f"{path}: put in place, as a run that was interrupted recorded it")
    device = find_device(options.device or environment.default_device())
    competition = kaggle.load_competition(options)
    todo = [(entry, options.seed)]
    if options.all:
        todo = [(entry, seed) for entry in zoo.values() for seed in range(entry.budget.seeds)]
    worst = 0
    for entry, seed in todo:
        if options.all and is_current(entry, seed, entry.dataset, paths.shipped):
            print(f"{entry.name}, seed {seed}: evidence in place")
            continue
        dataset = competition or load_or_sample(entry.data, options.data_root, zoo_file.parent)
        settings = {"paths": paths, "device": device, "resume": options.resume}
        settings["record"] = options.record
        if isinstance(entry, Ensemble):
            result = run_ensemble(entry, dataset, **settings)
        else:
            result = run(entry, seed, dataset, overrides=overrides, **settings)
        for path in refresh(zoo_file, paths.results):
            print(f"renewed: {path}")
        if options.check:
            worst = max(worst, judge(result, entry, zoo_file, paths, options))
    return worst


def main(argv: list[str] | None = None) -> int:
    """Train; the exit code."""

    def go() -> int:
        try:
            return train(sys.argv[1:] if argv is None else argv)
        except KeyboardInterrupt:
            raise Interrupted(f"interrupted; {AGAIN}") from None
        except OSError as error:
            if error.errno not in FULL or error.filename is None:
                raise
            raise StorageError(
                f"{error.filename}: {error.strerror}; free some space, then {AGAIN}"
            ) from error

    return run_main(go, "train.py", outlive_reader=True)


if __name__ == "__main__":
    sys.exit(main())
