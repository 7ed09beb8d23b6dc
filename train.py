"""Train an entry of the zoo: one run, one seed, one record.

    python train.py slim --seed 0
    python train.py slim --check                               # and judge the run
    python train.py slim --record                              # replace the run that is shipped
    python train.py slim --recipe.epochs 3 --recipe.schedule.max_lr 0.05         # an experiment
    python train.py slim --resume
    python train.py slim --resume --recipe.schedule.max_lr 0.02  # continue at another rate
    python train.py slim --train-csv train.csv --against test.csv                # Kaggle's files
    python train.py slim --trial --recipe.epochs 12 --against declared  # by val, five seeds
    python train.py --all                                      # whatever is missing or stale
    python train.py --all --jobs 2 --threads 1                 # two runs at once
    python train.py --all --ray auto                           # on a Ray cluster
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

import functools
import sys
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path

import torch

import environment
from torchbudget.command import FULL, run_main
from torchbudget.data.images import Dataset
from torchbudget.data.loading import load_or_sample
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Ensemble, Entry
from torchbudget.declare.teaching import find_teacher
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import Interrupted, StorageError
from torchbudget.evidence import machine
from torchbudget.evidence.measure import on_threads
from torchbudget.evidence.record import Clock, record_ensemble, record_run
from torchbudget.evidence.results import Run, run_stem
from torchbudget.evidence.together import settle_runs
from torchbudget.network.structure import count_params
from utils import checkpoint, kaggle, plots
from utils.checks import check_trainable
from utils.epochs import train_epochs
from utils.options import find_device, find_paths, find_zoo, parse
from utils.preflight import check_can_record
from utils.refresh import refresh
from utils.resume import resume_training
from utils.run_check import judge_run
from utils.run_report import describe_misses, report
from utils.runs import RunPaths, choose_store, is_current, scale_val
from utils.runs_at_once import Setting, Task, train_at_once
from utils.teachers import open_lessons, teachers_first
from utils.throughput import find_threads
from utils.training import Training
from utils.trial_command import check_options, try_out

HERE = Path(__file__).resolve().parent
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
    measure_threads: bool = False,
    on_epoch: Callable[[Training], None] | None = None,
) -> Run:
    """Train `entry` once, measure test once, write weights, record, history and pictures.

    `entry.recipe` is what runs; `overrides` names what was changed from the zoo's recipe. With
    `record`, a repetition replaces the shipped run. With `measure_threads` a run that begins takes
    fewer threads on a busy machine, found out before its clock starts. `on_epoch` is called after
    each epoch by a caller that reports the run itself. Raises `NetworkError`, `Diverged`,
    `DataError`, `CheckpointError` and `ResultsError`.
    """
    check_trainable(entry, dataset.image)
    threads = torch.get_num_threads()
    if measure_threads and not resume:
        threads = find_threads(entry, dataset.train, device)
    clock = Clock.start()
    overrides = overrides or []
    num_val = scale_val(entry, dataset) if len(dataset.test) else 0  # all rows: nothing is chosen
    train, val = split_train_val(dataset, num_val)
    with on_threads(threads):
        lessons = open_lessons(entry, dataset, train, val, paths, device)
        training = Training(entry, seed, train, val, torch.device(device), lessons)
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
    with on_threads(training.threads):
        train_epochs(training, folder, resumed, on_epoch)
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
            teacher=lessons.record if lessons else None,
            recipe=entry.recipe,
            device=device,
            clock=clock,
            results=store.results,
            weights=store.weights,
            describe_run=lambda recorded: plots.draw_run(
                paths.output, recorded.run, recorded.test, dataset.test, training.train_misses
            ),
        )
    if on_epoch:
        print(describe_misses(recorded.run))
    else:
        report(recorded.run, entry, store, paths)
    return recorded.run


def run_ensemble(
    entry: Ensemble,
    dataset: Dataset,
    *,
    paths: RunPaths,
    device: str = "cpu",
    resume: bool = False,
    record: bool = False,
    measure_threads: bool = False,
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
        run(
            member,
            seed,
            dataset,
            paths=paths,
            device=device,
            resume=begun,
            measure_threads=measure_threads,
        )
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


# --- command line ---------------------------------------------------------------------------------


def train(argv: list[str]) -> int:
    """Train what the command line asks for; the exit code, with `--check` the gates' worst."""
    zoo_file = find_zoo(argv, HERE / "zoo.py").resolve()
    zoo = load_zoo(zoo_file, served=("utils",))
    entry, overrides, options = parse(argv, zoo)
    check_options(options)
    paths = find_paths(options, zoo_file)
    for store in (paths.shipped, paths.local):
        for path in settle_runs(store.results, [store.weights, paths.output]):
            print(f"{path}: put in place, as a run that was interrupted recorded it")
    device = find_device(options.device or environment.default_device())
    if options.threads and not options.all:
        torch.set_num_threads(options.threads)
    if options.trial:
        return try_out(
            entry,
            overrides,
            zoo,
            options,
            zoo_file=zoo_file,
            own_zoo=HERE / "zoo.py",
            paths=paths,
            device=device,
            argv=argv,
        )
    setting = Setting(
        zoo_file=zoo_file,
        paths=paths,
        device=device,
        data_root=options.data_root,
        record=options.record,
        report=functools.partial(report, paths=paths),
    )
    competition = kaggle.load_competition(options)
    if options.all:
        return train_all(list(zoo.values()), setting, options)
    dataset = competition or load_or_sample(entry.data, options.data_root, zoo_file.parent)
    return train_one(entry, options.seed, dataset, setting, options, overrides)


def train_one(
    entry: Entry,
    seed: int,
    dataset: Dataset,
    setting: Setting,
    options: Namespace,
    overrides: list[str] | None = None,
) -> int:
    """Train a run in this process, and with `--check` judge it; the exit code."""
    begun = setting.paths.checkpoints / run_stem(entry.name, seed, dataset.name, [])
    resume = options.resume
    if options.all and not isinstance(entry, Ensemble):
        resume = resume and bool(checkpoint.list_checkpoints(begun))
    settings = {"paths": setting.paths, "device": setting.device, "resume": resume}
    settings |= {"record": setting.record, "measure_threads": not options.threads}
    if isinstance(entry, Ensemble):
        result = run_ensemble(entry, dataset, **settings)
    else:
        result = run(entry, seed, dataset, overrides=overrides, **settings)
    renew(setting)
    return judge_run(result, entry, setting) if options.check else 0


def renew(setting: Setting) -> None:
    """Bring up to date what is published of the record, and name it."""
    for path in refresh(setting.zoo_file, setting.paths.results):
        print(f"renewed: {path}")


def train_all(entries: list[Entry], setting: Setting, options: Namespace) -> int:
    """Train whatever is missing or stale; the worst exit code.

    Runs of networks come first, several at once if `train_at_once` does so. Ensembles and taught
    networks follow in this process, a teacher before those whom it teaches.
    """
    datasets: dict[str, Dataset] = {}
    ordered = teachers_first(entries)
    runs = [(entry, seed) for entry in ordered for seed in range(entry.budget.seeds)]

    def load(entry: Entry) -> Dataset:
        if entry.dataset not in datasets:
            folder = setting.zoo_file.parent
            datasets[entry.dataset] = load_or_sample(entry.data, setting.data_root, folder)
        return datasets[entry.dataset]

    tasks = [
        Task(entry, seed, load(entry))
        for entry, seed in runs
        if not isinstance(entry, Ensemble)
        and find_teacher(entry) is None
        and not is_current(entry, seed, entry.dataset, setting.paths.shipped)
    ]
    try:
        outcome = train_at_once(tasks, options, setting)
    finally:
        renew(setting)
    worst = outcome.exit_code
    for entry, seed in runs:
        result = outcome.runs.get((entry.name, seed))
        if (entry.name, seed) in outcome.failures:
            continue
        if failed := outcome.lacks(entry):
            print(f"{entry.name}: not measured, for it lacks {', '.join(failed)}")
        elif result and options.check:
            worst = max(worst, judge_run(result, entry, setting))
        elif result:
            continue
        elif is_current(entry, seed, entry.dataset, setting.paths.shipped):
            print(f"{entry.name}, seed {seed}: evidence in place")
        else:
            worst = max(worst, train_one(entry, seed, load(entry), setting, options))
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
