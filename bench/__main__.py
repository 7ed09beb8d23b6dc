"""Measure what the zoo costs in time, the published pipeline and ours side by side.

    python -m bench
    python -m bench epoch startup
    python -m bench accuracy --dataset mnist_sample --seeds 1 --epochs 1
    python -m bench --quick                                  # is it slower than yesterday?

The first command measures everything but `quick`. The third one only shows that the bench runs.

startup    seconds of the shortest commands, and of their imports
breakdown  seconds of each part of training, its share of the peak of arithmetic and of memory
inference  images a second of each network, one at a time and 1,000 at once, eager and exported
jobs       all seeds of sprint and of slim: two runs at once against one after the other
growth     time and peak memory as images, batch size, threads and parameters double
neighbour  a step of training alone and beside a busy process, by how threads wait
large      a check of zoos of 100, 300 and 1,000 small entries, whole and of what changed
epoch      one epoch of the same network, published pipeline against ours
accuracy   seconds of training until at most 60 test images are missed; it can be resumed
quick      an epoch and the static gates, here and at an earlier commit, in under 3 minutes

Each result is written into results/bench.json as soon as it is there, with the machine and the
versions. With --record it goes into bench/results.json, which git tracks.

Exit codes: 0 done · 2 wrong usage · 3 no data, no disk, or a measurement failed · 130 interrupted
"""

if __name__ == "__main__":
    from torchbudget.command import end_on_interrupt

    end_on_interrupt("bench")

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import (
    accuracy,
    breakdown,
    epoch,
    growth,
    inference,
    jobs,
    large,
    neighbour,
    quick,
    results,
    startup,
)
from bench.choice import Choice
from torchbudget.command import Parser, run_main
from torchbudget.data.loading import BY_NAME
from torchbudget.errors import EXIT_PASS, Interrupted, TorchBudgetError
from utils.training import Diverged

MEASUREMENTS = {
    "startup": startup,
    "breakdown": breakdown,
    "inference": inference,
    "growth": growth,
    "jobs": jobs,
    "large": large,
    "neighbour": neighbour,
    "epoch": epoch,
    "accuracy": accuracy,
    "quick": quick,
}
WHOLE = tuple(name for name in MEASUREMENTS if name != "quick")
"""What is measured where nothing is named."""
LEAST = {"repeats": 5, "seeds": 10}
PROG = "bench"


def at_least_one(word: str) -> int:
    number = int(word)
    if number < 1:
        raise ValueError
    return number


def make_parser() -> Parser:
    parser = Parser(prog=PROG, description=__doc__)
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}; default: all"
    )
    parser.add_argument(
        "--entry",
        help="the entry that is measured; default: sprint, or slim if the zoo has no sprint; "
        "inference measures every entry",
    )
    parser.add_argument(
        "--repeats",
        type=at_least_one,
        default=LEAST["repeats"],
        help="of each timing; the median is shown; default: %(default)s",
    )
    parser.add_argument(
        "--seeds",
        type=at_least_one,
        default=LEAST["seeds"],
        help="of accuracy, and at most of jobs; default: %(default)s",
    )
    parser.add_argument(
        "--epochs", type=at_least_one, help="cut the runs of accuracy and jobs short"
    )
    parser.add_argument(
        "--quick", action="store_true", help="the same as the name quick, and nothing else"
    )
    parser.add_argument(
        "--since",
        metavar="REF",
        help="the commit that quick compares with; default: the last one that is a day old",
    )
    parser.add_argument("--dataset", choices=BY_NAME, default="mnist")
    parser.add_argument(
        "--data-root",
        type=Path,
        help="a torchvision MNIST root; default: MNIST_ROOT, then data/, downloaded",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="default: results/bench.json",
    )
    parser.add_argument(
        "--record",
        action="store_true",
        help="write into bench/results.json, which git tracks (make bench RECORD=1)",
    )
    parser.add_argument(
        "--plot", type=Path, metavar="FILE", help="default: accuracy.png beside the results"
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        default=Choice.checkpoints,
        help="folder from which an interrupted accuracy continues",
    )
    return parser


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = make_parser()
    options = parser.parse_args(argv)
    for name in options.names:
        if name not in MEASUREMENTS:
            parser.error(f"no measurement {name!r}; there are {', '.join(MEASUREMENTS)}")
    if options.quick and options.names:
        parser.error("--quick measures that alone; leave out the names or --quick")
    options.names = ["quick"] if options.quick else options.names or list(WHOLE)
    if options.since and "quick" not in options.names:
        parser.error("--since goes with --quick")
    if options.record and is_short(options):
        parser.error("--record keeps a whole bench on MNIST; this one is cut short")
    default_out = "bench/results.json" if options.record else "results/bench.json"
    options.out = options.out or Path(default_out)
    options.plot = options.plot or options.out.with_name("accuracy.png")
    return options


def is_short(options: argparse.Namespace) -> bool:
    """Whether the bench has other data, or fewer epochs, repeats or seeds, than a whole one."""
    if options.dataset != "mnist" or options.epochs:
        return True
    return any(getattr(options, name) < least for name, least in LEAST.items())


def run_measurement(name: str, choice: Choice, out: Path) -> None:
    """Measure, print the figures and write them into the results file."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    began = time.perf_counter()
    print(f"--- {name} ---", flush=True)
    figures = MEASUREMENTS[name].measure(choice)
    print(MEASUREMENTS[name].describe(figures), end="\n\n", flush=True)
    measurement = {
        "figures": figures,
        "started": started,
        "seconds": round(time.perf_counter() - began, 1),
        "choice": choice.describe(),
        **results.machine(),
    }
    results.merge(out, name, measurement)


def run(argv: list[str] | None) -> int:
    """Run the measurements that are asked for, one after the other; the exit code."""
    options = parse_options(argv)
    choice = Choice(
        named=options.entry,
        data=options.dataset,
        data_root=options.data_root,
        repeats=options.repeats,
        seeds=options.seeds,
        epochs=options.epochs,
        since=options.since,
        plot=options.plot,
        checkpoints=options.checkpoints,
    )
    try:
        choice.describe()  # an unknown entry ends here
        results.read_measurements(options.out)  # a foreign file ends here
        print(results.forecast(options.names), flush=True)
        for name in options.names:
            run_measurement(name, choice, options.out)
    except KeyboardInterrupt:
        raise Interrupted(
            "interrupted; finished measurements are kept, and accuracy continues where it stopped"
        ) from None
    except Diverged as error:
        raise TorchBudgetError(str(error)) from error  # not measured, which is exit code 3
    print(f"written: {options.out}")
    return EXIT_PASS


def main(argv: list[str] | None = None) -> int:
    """Measure what the command line asks for; the exit code."""
    return run_main(lambda: run(argv), PROG)


if __name__ == "__main__":
    sys.exit(main())
