"""Classification models of torchvision and timm, untrained, through every static gate, as a table.

python tests/violations/wide.py [--most PARAMS] [--seconds CPU] [--workers N] [NAME ...]: all, or
those whose name holds a NAME, the smallest first, each in a process of its own. Of timm, where it
is installed, the smallest model of each of its files (which takes minutes to find).
"""

import argparse
import itertools
import math
import multiprocessing
import os
import resource
import signal
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torchvision import models  # noqa: E402
from untrained import observe_runs  # noqa: E402

from torchbudget.data.images import ImageSpec  # noqa: E402
from torchbudget.data.spec import DataSpec  # noqa: E402
from torchbudget.declare.budget import (  # noqa: E402
    BatchNorm,
    Budget,
    Dropout,
    GlobalAveragePooling,
    NoDenseOnMap,
)
from torchbudget.declare.entry import Entry  # noqa: E402
from torchbudget.gates import judge  # noqa: E402
from torchbudget.report.verdict import Status  # noqa: E402

try:
    import timm
except ImportError:
    timm = None

EVERYTHING = (BatchNorm(), Dropout(), GlobalAveragePooling(), NoDenseOnMap())
SIDE = 64
LARGE = {"maxvit_t": 224, "inception_v3": 96}
"""Sides of the images of torchvision's models that take none of 64."""
MOST = 30_000_000


@dataclass(frozen=True)
class Model:
    """A model of ten classes, made anew by each call of `make`, for RGB images of `side`."""

    name: str
    make: Callable[[], nn.Module]
    side: int
    num_params: int


def list_models(words: Collection[str]) -> Iterator[Model]:
    """The models whose names hold one of the words, all if there are none; in no order."""

    def is_asked_for(name: str) -> bool:
        return not words or any(word in name for word in words)

    for name in filter(is_asked_for, models.list_models(module=models)):
        side = LARGE.get(name, SIDE)
        num_params = next(iter(models.get_model_weights(name))).meta["num_params"]
        yield Model(name, partial(make_model, name, side), side, num_params)
    for module in timm.list_modules() if timm else ():
        names = [name for name in timm.list_models(module=module) if not name.startswith("test_")]
        if any(is_asked_for(f"timm.{name}") for name in names):
            found = filter(None, map(describe_timm, sorted(names, key=count_timm)))
            smallest = itertools.islice(found, 1)
            yield from (model for model in smallest if is_asked_for(model.name))


def count_timm(name: str) -> float:
    """The parameters of a model of timm's; infinite where timm does not make it."""
    try:
        with torch.device("meta"):
            return sum(part.numel() for part in timm.create_model(name).parameters())
    except Exception:  # such as a model that reads its weights on the way
        return math.inf


def make_model(name: str, side: int) -> nn.Module:
    """A model of torchvision's."""
    options: dict[str, object] = {"weights": None, "num_classes": 10}
    if name in {"googlenet", "inception_v3"}:
        options |= {"init_weights": False, "aux_logits": False}
    if name.startswith("vit"):
        options["image_size"] = side
    return models.get_model(name, **options)


def describe_timm(name: str) -> Model | None:
    """A model of timm's on the smallest images that it takes; None where timm does not make it."""
    own = timm.get_pretrained_cfg(name)
    for number in (SIDE, 2 * SIDE, own.input_size[-1] if own else 224):
        for options in ({"img_size": number}, {}):
            make = partial(timm.create_model, name, num_classes=10, **options)
            try:
                with torch.device("meta"):
                    model = make()
                    model.eval()(torch.zeros(2, 3, number, number))
            except Exception:  # whatever a model raises for images or options that it does not take
                continue
            return Model(f"timm.{name}", make, number, sum(p.numel() for p in model.parameters()))
    return None


def judge_model(model: Model) -> list[str]:
    """A row of the table: the three gates' statuses and what they observed."""
    spec = ImageSpec(shape=(3, model.side, model.side), num_classes=10)
    data = DataSpec(name="pictures", image=spec, load=lambda root: None)
    budget = Budget(max_params=10**10, requires=EVERYTHING)
    entry = Entry(name="model", network=model.make, data=data, budget=budget)
    observation = observe_runs(entry)
    cells = []
    for gate in ("params", "structure", "cost"):
        verdict = judge(gate, entry, observation)
        cells.append(f"{verdict.status.value}: {verdict.observed[:60]}")
        cells += [f"uncounted: {detail[:40]}" for detail in verdict.details if "no rule" in detail]
    return cells


def print_row(model: Model, seconds: int) -> None:
    """Judge a model and print its row; exits with 1 if a gate broke or could not measure.

    The system ends the process after so many seconds of CPU.
    """
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    cells = judge_model(model)
    print(" | ".join([model.name, f"{model.side}", *cells, f"{time.process_time():.0f} s"]))
    sys.stdout.flush()
    bad = any(cell.startswith((Status.ERROR.value, "not_run")) for cell in cells)
    os._exit(1 if bad else 0)


def judge_all(chosen: Iterable[Model], seconds: int, workers: int) -> Iterator[tuple[Model, int]]:
    """Each model, when it has been judged, and the exit status of the process that did it."""
    context = multiprocessing.get_context("fork")
    running: dict[int, tuple[Model, BaseProcess]] = {}
    for model in [*chosen, None]:
        while running and (model is None or len(running) == workers):
            for sentinel in wait(list(running)):
                judged, process = running.pop(int(sentinel))
                process.join()
                yield judged, process.exitcode or 0
        if model is not None:
            process = context.Process(target=print_row, args=(model, seconds))
            process.start()
            running[process.sentinel] = (model, process)


def describe_end(status: int) -> str:
    """In words, how the process of a model ended."""
    if status == -signal.SIGXCPU:
        return "given up"
    return {0: "judged", 1: "not judged by every gate"}.get(status, "crashed")


def main(argv: list[str]) -> int:
    """Print the table; 1 if a model was not judged by every gate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--most", type=int, default=MOST, help="parameters; default: %(default)s")
    parser.add_argument(
        "--seconds", type=int, default=600, help="of CPU for a model; default: %(default)s"
    )
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="at once; default: %(default)s"
    )
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    chosen = [model for model in list_models(options.names) if model.num_params <= options.most]
    chosen.sort(key=lambda model: model.num_params)
    ends: Counter[str] = Counter()
    for model, status in judge_all(chosen, options.seconds, options.workers):
        end = describe_end(status)
        ends[end] += 1
        if end in {"given up", "crashed"}:
            print(f"{model.name} | {end}", flush=True)
    print(f"{len(chosen)} models:", ", ".join(f"{number} {end}" for end, number in ends.items()))
    return 0 if ends["judged"] == len(chosen) > 0 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
