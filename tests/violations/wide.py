"""Classification models of torchvision and timm, untrained, through every static gate, as a table.

python tests/violations/wide.py [--most PARAMS] [NAME ...]: all models, or those whose name holds a
NAME, the smallest first. Of timm, where it is installed, the smallest model of each of its files.
"""

import argparse
import itertools
import math
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
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


def list_models() -> Iterator[Model]:
    """The models, in no order."""
    for name in models.list_models(module=models):
        side = LARGE.get(name, SIDE)
        num_params = next(iter(models.get_model_weights(name))).meta["num_params"]
        yield Model(name, partial(make_model, name, side), side, num_params)
    for module in timm.list_modules() if timm else ():
        names = [name for name in timm.list_models(module=module) if not name.startswith("test_")]
        found = filter(None, map(describe_timm, sorted(names, key=count_timm)))
        yield from itertools.islice(found, 1)


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


def main(argv: list[str]) -> int:
    """Print the table; 1 if a gate broke or could not measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--most", type=int, default=MOST, help="parameters; default: %(default)s")
    options = parser.parse_args(argv)
    warnings.simplefilter("ignore")
    chosen = [
        model
        for model in list_models()
        if model.num_params <= options.most
        and (not options.names or any(word in model.name for word in options.names))
    ]
    broken = 0
    for model in sorted(chosen, key=lambda model: model.num_params):
        began = time.monotonic()
        cells = judge_model(model)
        bad = [cell for cell in cells if cell.startswith((Status.ERROR.value, "not_run"))]
        broken += bool(bad)
        cells = [model.name, f"{model.side}", *cells, f"{time.monotonic() - began:.0f} s"]
        print(" | ".join(cells), flush=True)
    print(f"{len(chosen)} models, {broken} of them not judged by every gate")
    return 1 if broken or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
