"""All that zoo files of the first version import: entries, budgets and recipes from one place."""

from typing import Any

from torchbudget.data.loading import named
from torchbudget.declare import entry as entries
from torchbudget.declare.budget import (
    BatchNorm,
    Budget,
    Dropout,
    GlobalAveragePooling,
    NoDenseOnMap,
    Requirement,
    Slack,
)
from torchbudget.declare.entry import Ensemble, Member, changed_fields, describe
from torchbudget.declare.views import View
from utils.augmentations import (
    Affine,
    Augmentation,
    Cutout,
    Darken,
    Elastic,
    Erase,
    Flip,
    Jitter,
    PadCrop,
    Squeeze,
    Swell,
)
from utils.recipe import (
    EMA,
    SGD,
    SWA,
    Adam,
    Average,
    Constant,
    Cosine,
    Finish,
    Focus,
    Freeze,
    Lookahead,
    Mix,
    OneCycle,
    Optimizer,
    Recipe,
    ReduceOnPlateau,
    Rounding,
    Schedule,
    Teacher,
)


def Entry(*, dataset: str = "mnist", **fields: Any) -> entries.Entry:  # noqa: N802
    """An entry whose data set is given by name, as the first version did."""
    return entries.Entry(data=named(dataset), **fields)


__all__ = [
    "EMA",
    "SGD",
    "SWA",
    "Adam",
    "Affine",
    "Augmentation",
    "Average",
    "BatchNorm",
    "Budget",
    "Constant",
    "Cosine",
    "Cutout",
    "Darken",
    "Dropout",
    "Elastic",
    "Ensemble",
    "Entry",
    "Erase",
    "Finish",
    "Flip",
    "Focus",
    "Freeze",
    "GlobalAveragePooling",
    "Jitter",
    "Lookahead",
    "Member",
    "Mix",
    "NoDenseOnMap",
    "OneCycle",
    "Optimizer",
    "PadCrop",
    "Recipe",
    "ReduceOnPlateau",
    "Requirement",
    "Rounding",
    "Schedule",
    "Slack",
    "Squeeze",
    "Swell",
    "Teacher",
    "View",
    "changed_fields",
    "describe",
]
