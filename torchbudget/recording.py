"""What `torchbudget record` does with a run of somebody's own, and `merge-results` with records."""

import argparse
import math
import sys

from torchbudget.data.loading import load_dataset
from torchbudget.data.split import split_train_val
from torchbudget.declare.zoofile import load_zoo, select_entries
from torchbudget.errors import EXIT_FAIL, EXIT_PASS, UsageError
from torchbudget.evidence.merging import merge_files
from torchbudget.evidence.record import record_run
from torchbudget.evidence.results import Run
from torchbudget.evidence.state_dict import read_state_dict


def record(options: argparse.Namespace) -> int:
    """Record the run that the options describe; print its misses, its files and what to do next."""
    if options.epochs and options.steps:
        raise UsageError("give --steps or --epochs, not both")
    if options.epochs and not options.batch_size:
        raise UsageError("--epochs needs --batch-size: steps are counted from both")
    zoo = options.zoo.resolve()
    (entry,) = select_entries(load_zoo(zoo), [options.entry])
    state = read_state_dict(options.weights)
    dataset = load_dataset(entry.data, options.data_root, zoo.parent)
    train, _ = split_train_val(dataset, entry.val_images)
    steps = options.steps
    if options.epochs:
        steps = options.epochs * math.ceil(len(train) / options.batch_size)
    results = options.results or zoo.parent / "results.json"
    weights = options.weights_folder or zoo.parent / "weights"
    recorded = record_run(
        entry,
        options.seed,
        state,
        folder=zoo.parent,
        results=results,
        weights=weights,
        dataset=dataset,
        steps=steps,
        batch_size=options.batch_size,
        seconds=options.seconds,
    )
    test = recorded.test
    right = 1 - test.misses / test.total
    print(
        f"{entry.name}, seed {options.seed}: {test.misses:,} misses of {test.total:,} "
        f"({right:.2%} right)"
    )
    print(f"recorded in {results}, the weights in {weights}")
    print(f"next: torchbudget check {entry.name}")
    return EXIT_PASS


def merge_results(options: argparse.Namespace) -> int:
    """Merge THEIRS into OURS; name each run that both changed, on stderr."""
    conflicts = merge_files(options.base, options.ours, options.theirs)
    for conflict in conflicts:
        print(
            f"torchbudget: {conflict.stem} was renewed on both sides: {_describe(conflict.ours)} "
            f"here, {_describe(conflict.theirs)} there; kept as here: to have the other, take its "
            "weights and its record together from its commit, or train it again",
            file=sys.stderr,
        )
    return EXIT_FAIL if conflicts else EXIT_PASS


def _describe(run: Run | None) -> str:
    return "removed" if run is None else f"{run.test.misses:,} misses of {run.test.total:,}"
