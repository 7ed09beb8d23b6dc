"""One point of a growth: a training in a fresh process, so that its peak memory is its own.

    python -m bench.point slim --images 15000 --batch-size 256 --threads 1 --width 16

prints as JSON the seconds of each epoch after one that warms up, the steps of an epoch, the number
of parameters, and the peak of resident memory: after imports and data are loaded, and at the end.
"""

import argparse
import json
import re
import resource
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from bench.choice import Choice
from model import ConvNormReLU
from torchbudget.data.images import Images
from torchbudget.data.split import split_train_val
from torchbudget.declare.entry import Entry
from torchbudget.evidence.measure import measure
from torchbudget.network.structure import count_params
from utils.runs import scale_val
from utils.training import Training


class Growing(nn.Sequential):
    """Like `Slim`, of any width, (N, 1, 28, 28) -> (N, 10); parameters grow with its square."""

    def __init__(self, width: int) -> None:
        stem = ConvNormReLU(1, width, kernel=5, padding=2, pool=True)
        middle = [ConvNormReLU(width, width, padding=1, pool=last) for last in (False, False, True)]
        super().__init__(
            stem,
            *middle,
            ConvNormReLU(width, width),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(width, 10),
        )


def change_entry(entry: Entry, options: argparse.Namespace) -> Entry:
    """`entry` with the batch size and width asked for, and enough epochs to time."""
    recipe = replace(
        entry.recipe,
        epochs=max(entry.recipe.epochs, options.repeats + 1),
        batch_size=options.batch_size or entry.recipe.batch_size,
    )
    return replace(
        entry,
        recipe=recipe,
        network=partial(Growing, options.width) if options.width else entry.network,
    )


def peak_bytes() -> int:
    """The peak of resident memory of this process.

    On Linux, `ru_maxrss` is inherited from the parent process, so VmHWM is read there.
    """
    status = Path("/proc/self/status")
    if status.exists() and (
        own := re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(encoding="utf-8"), re.MULTILINE)
    ):
        return int(own[1]) * 1_024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1_024
    )


def run_point(entry: Entry, train: Images, val: Images, test: Images, repeats: int) -> dict:
    """Train for `repeats` epochs after one that warms up, then average and measure test.

    The peak of memory includes all of that, as in a run.
    """
    loaded = peak_bytes()
    training = Training(entry, 0, train, val, torch.device("cpu"))
    for _ in range(repeats + 1):
        training.epoch()
    measure(training.final_network(), test)
    return {
        "seconds": [row.seconds for row in training.history[1:]],
        "steps": training.steps_per_epoch,
        "params": count_params(training.network),
        "loaded_bytes": loaded,
        "peak_bytes": peak_bytes(),
    }


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="bench.point",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("entry")
    for name in ("images", "batch-size", "threads", "width"):
        parser.add_argument(f"--{name}", type=int, help="default: as declared")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--data-root", type=Path)
    options = parser.parse_args(argv)
    if options.threads:
        torch.set_num_threads(options.threads)
    choice = Choice(named=options.entry, data=options.dataset, data_root=options.data_root)
    train, val = split_train_val(choice.dataset, scale_val(choice.entry, choice.dataset))
    images = train[torch.arange(min(options.images, len(train)))]
    entry = change_entry(choice.entry, options)
    point = run_point(entry, images, val, choice.dataset.test, options.repeats)
    print(json.dumps(point))
    return 0


if __name__ == "__main__":
    sys.exit(main())
