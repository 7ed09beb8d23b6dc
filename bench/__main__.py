"""Measure what the zoo costs in time, the published pipeline and ours side by side.

    python -m bench                          # everything, the quiet things first
    python -m bench epoch startup
    python -m bench accuracy --dataset mnist_sample --seeds 1 --epochs 1      # to see that it runs; it proves nothing

startup    the shortest commands from start to end, and the imports that they wait for
breakdown  where the time of training goes, and its share of the machine's peak
inference  images a second of each network, one at a time and 1,000 at once, as it is and exported
growth     time and peak memory as images, batch size, threads and parameters double
epoch      one epoch of the same network, published pipeline against ours
accuracy   seconds of training until at most 60 test images are missed; an interrupted one goes on

Each is put into results/bench.json when it is finished, with the machine and the versions; with
--record into bench/results.json, which git tracks.
Exit codes: 0 done · 2 wrong usage · 3 no data, no disk, or something did not run · 130 interrupted.
"""

import argparse
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from bench import accuracy, breakdown, epoch, growth, inference, results, startup
from bench.choice import Choice
from torchbudget.data.loading import BY_NAME
from torchbudget.errors import CheckpointError, DataError, WeightsError, ZooError
from utils.training import Diverged

MEASUREMENTS = {
    "startup": startup,
    "breakdown": breakdown,
    "inference": inference,
    "growth": growth,
    "epoch": epoch,
    "accuracy": accuracy,
}
LEAST = {"repeats": 5, "seeds": 10}
EXIT_USAGE, EXIT_MISSING, EXIT_INTERRUPTED = 2, 3, 130


def at_least_one(word: str) -> int:
    if (number := int(word)) < 1:
        raise ValueError
    return number


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"of {', '.join(MEASUREMENTS)}; default: all"
    )
    parser.add_argument(
        "--entry",
        help="what is looked into; default: sprint, or slim where the zoo has none, and of inference every entry",
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
        help="of accuracy; default: %(default)s",
    )
    parser.add_argument("--epochs", type=at_least_one, help="cut the runs of accuracy short")
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
        help="what an interrupted accuracy goes on from",
    )
    return parser


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = make_parser()
    options = parser.parse_args(argv)
    for name in options.names:
        if name not in MEASUREMENTS:
            parser.error(f"no measurement {name!r}; there are {', '.join(MEASUREMENTS)}")
    short = (
        options.dataset != "mnist"
        or options.epochs
        or any(getattr(options, name) < least for name, least in LEAST.items())
    )
    if options.record and short:
        parser.error("--record keeps a whole bench on MNIST; this one is cut short")
    kept = "bench/results.json" if options.record else "results/bench.json"
    options.out = options.out or Path(kept)
    options.plot = options.plot or options.out.with_name("accuracy.png")
    return options


def run(name: str, choice: Choice, out: Path) -> None:
    """One measurement: measure, show, put into the results."""
    began, started = time.perf_counter(), datetime.now(UTC).isoformat(timespec="seconds")
    print(f"--- {name} ---", flush=True)
    figures = MEASUREMENTS[name].measure(choice)
    print(MEASUREMENTS[name].describe(figures), end="\n\n", flush=True)
    about = {
        "started": started,
        "seconds": round(time.perf_counter() - began, 1),
        "choice": choice.describe(),
        **results.machine(),
    }
    results.merge(out, name, {"figures": figures, **about})


def main(argv: list[str] | None = None) -> int:
    """Measure what is asked for, one after the other."""
    options = parse_options(argv)
    fields = ("data_root", "repeats", "seeds", "epochs", "plot", "checkpoints")
    choice = Choice(
        named=options.entry,
        data=options.dataset,
        **{name: getattr(options, name) for name in fields},
    )
    try:
        choice.describe(), results.read_measurements(options.out)
        for name in options.names or MEASUREMENTS:
            run(name, choice, options.out)
    except (ZooError, ValueError) as error:
        return complain(str(error), EXIT_USAGE)
    except (
        DataError,
        CheckpointError,
        WeightsError,
        Diverged,
        results.ResultsError,
        OSError,
        RuntimeError,
    ) as error:
        return complain(str(error), EXIT_MISSING)
    except KeyboardInterrupt:
        return complain(
            "interrupted; what was finished is kept, and accuracy goes on where it was",
            EXIT_INTERRUPTED,
        )
    print(f"written: {options.out}")
    return 0


def complain(message: str, code: int) -> int:
    print(f"bench: {' '.join(message.split())}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
