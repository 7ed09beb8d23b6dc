"""torchvision's classification models, untrained, through every static gate, as a table.

python tests/violations/wide.py [NAME ...]: all models, or those whose name holds a NAME.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from functools import partial  # noqa: E402

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

EVERYTHING = (BatchNorm(), Dropout(), GlobalAveragePooling(), NoDenseOnMap())
LARGE = {"maxvit_t": 224, "inception_v3": 96}
"""Sides of the images of models that take no small ones; all others get 64."""
TOO_LARGE = ("vit_h_14", "vit_l_16", "vit_l_32", "regnet_y_128gf")
"""Models of more than a gigabyte."""


def make_model(name: str, side: int) -> nn.Module:
    """An untrained model of ten classes."""
    options: dict[str, object] = {"weights": None, "num_classes": 10}
    if name in {"googlenet", "inception_v3"}:
        options |= {"init_weights": False, "aux_logits": False}
    if name.startswith("vit"):
        options["image_size"] = side
    return models.get_model(name, **options)


def judge_model(name: str) -> list[str]:
    """A row of the table: the three gates' statuses and what they observed."""
    side = LARGE.get(name, 64)
    spec = ImageSpec(shape=(3, side, side), num_classes=10)
    data = DataSpec(name="pictures", image=spec, load=lambda root: None)
    entry = Entry(
        name=name,
        network=partial(make_model, name, side),
        data=data,
        budget=Budget(max_params=10**10, requires=EVERYTHING),
    )
    observation = observe_runs(entry)
    cells = [name]
    for gate in ("params", "structure", "cost"):
        verdict = judge(gate, entry, observation)
        cells.append(f"{verdict.status.value}: {verdict.observed[:60]}")
        cells += [f"uncounted: {detail[:40]}" for detail in verdict.details if "no rule" in detail]
    return cells


def main(words: list[str]) -> int:
    """Print the table; 1 if a gate broke or could not measure."""
    names = [
        name
        for name in models.list_models(module=models)
        if name not in TOO_LARGE and (not words or any(word in name for word in words))
    ]
    broken = 0
    for name in names:
        cells = judge_model(name)
        bad = [cell for cell in cells if cell.startswith((Status.ERROR.value, "not_run"))]
        broken += bool(bad)
        print(" | ".join(cells), flush=True)
    print(f"{len(names)} models, {broken} of them not judged by every gate")
    return 1 if broken or not names else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
