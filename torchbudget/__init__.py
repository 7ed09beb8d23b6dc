"""Hold any PyTorch image classifier to a declared budget.

A zoo file declares entries:

    from torchbudget import Budget, Entry, data
    from nets import Net

    BUDGET = Budget(max_params=300_000, min_accuracy=0.70)
    ZOO = (Entry(name="net", network=Net, data=data.torchvision("CIFAR100"), budget=BUDGET),)

The names below are the public ones; every other module may move. They are imported when they are
first used, so that `import torchbudget` imports neither torch nor numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from torchbudget import data
    from torchbudget.data.images import ImageSpec
    from torchbudget.data.spec import DataSpec
    from torchbudget.declare.budget import (
        BatchNorm,
        Budget,
        Dropout,
        GlobalAveragePooling,
        NoDenseOnMap,
        Slack,
    )
    from torchbudget.declare.entry import Ensemble, Entry, Member
    from torchbudget.declare.teaching import TaughtBy
    from torchbudget.declare.views import View
    from torchbudget.declare.zoofile import load_zoo
    from torchbudget.errors import TorchBudgetError
    from torchbudget.evidence.record import record_run

__all__ = [
    "BatchNorm",
    "Budget",
    "DataSpec",
    "Dropout",
    "Ensemble",
    "Entry",
    "GlobalAveragePooling",
    "ImageSpec",
    "Member",
    "NoDenseOnMap",
    "Slack",
    "TaughtBy",
    "TorchBudgetError",
    "View",
    "__version__",
    "data",
    "load_zoo",
    "record_run",
]

_MODULES = {
    "BatchNorm": "torchbudget.declare.budget",
    "Budget": "torchbudget.declare.budget",
    "DataSpec": "torchbudget.data.spec",
    "Dropout": "torchbudget.declare.budget",
    "Ensemble": "torchbudget.declare.entry",
    "Entry": "torchbudget.declare.entry",
    "GlobalAveragePooling": "torchbudget.declare.budget",
    "ImageSpec": "torchbudget.data.images",
    "Member": "torchbudget.declare.entry",
    "NoDenseOnMap": "torchbudget.declare.budget",
    "Slack": "torchbudget.declare.budget",
    "TaughtBy": "torchbudget.declare.teaching",
    "TorchBudgetError": "torchbudget.errors",
    "View": "torchbudget.declare.views",
    "load_zoo": "torchbudget.declare.zoofile",
    "record_run": "torchbudget.evidence.record",
}
"""Where a public name is defined; `data` is a subpackage."""


def __getattr__(name: str) -> object:
    if name == "data":
        return import_module("torchbudget.data")
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
