"""Declarations: every bad value is rejected with its reason; declarations can be compared."""

import copy
import dataclasses
import json
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model import Slim
from torchbudget.data import KAGGLE_DEAL, MNIST
from torchbudget.declare.budget import BatchNorm, Budget
from torchbudget.declare.entry import Ensemble, Entry, changed_fields, describe
from torchbudget.declare.views import View
from utils import entry as declarations
from utils.recipe import EMA, SGD, SWA, OneCycle, Recipe

KINDS = [value for value in vars(declarations).values() if dataclasses.is_dataclass(value)]
KINDS.append(Entry)
GOOD = {
    declarations.OneCycle: {"max_lr": 0.1},
    declarations.Cosine: {"lr": 0.1},
    declarations.ReduceOnPlateau: {"lr": 0.1},
    declarations.Constant: {"lr": 0.1},
    EMA: {"decay": 0.9},
    SWA: {"start_epoch": 1, "lr": 0.1},
    Recipe: {"epochs": 3, "batch_size": 8, "optimizer": SGD(), "schedule": OneCycle(max_lr=0.1)},
    Budget: {"max_params": 9, "max_epochs": 9, "max_misses": 9},
}
GOOD[Entry] = {
    "name": "net",
    "network": Slim,
    "data": MNIST,
    "recipe": Recipe(**GOOD[Recipe]),
    "budget": Budget(**GOOD[Budget]),
}
GOOD[declarations.Finish] = {"epochs": 1}
GOOD[declarations.Freeze] = {"module": "stem", "after": 0.5}
GOOD[declarations.Rounding] = {"epochs": 1}
GOOD[declarations.Member] = {"entry": Entry(**GOOD[Entry])}
GOOD[declarations.Teacher] = {"entry": Entry(**GOOD[Entry])}
GOOD[Ensemble] = {
    "name": "jury",
    "members": (declarations.Member(**GOOD[declarations.Member]),),
    "budget": GOOD[Entry]["budget"],
}
NEVER = {
    int: [-1, 1.5, "3", None, True, math.nan],
    float: [-1.0, "0.1", None, True, math.nan, math.inf, [0.1]],
    bool: ["no", 1, None],
    str: [3, None],
}
TYPED = [
    (kind, field)
    for kind in KINDS
    for field in dataclasses.fields(kind)
    if field.type in NEVER and field.init
]
TOO_MUCH = {
    SGD: {"momentum": 1, "weight_decay": 1.5},
    declarations.Adam: {"beta1": 1.0, "beta2": 1.0, "weight_decay": 2},
    OneCycle: {"max_lr": 1e4, "pct_start": 1.1, "div_factor": 0.5, "final_div_factor": 0},
    declarations.Cosine: {"lr": 0, "min_lr": 1e4},
    declarations.ReduceOnPlateau: {"lr": 1e4, "factor": 1},
    declarations.Constant: {"lr": 0},
    EMA: {"decay": 1},
    SWA: {"lr": 0},
    declarations.Affine: {"rotate": 181, "translate": 1.1, "scale": 1, "shear": 90},
    declarations.Jitter: {"brightness": 1.1, "contrast": 1.1},
    declarations.Cutout: {"p": 1.1},
    declarations.Elastic: {"alpha": 1_001, "sigma": 6.1},
    declarations.Erase: {
        "p": 1.1,
        "min_area": 2,
        "max_area": 1.1,
        "min_ratio": 0,
        "max_ratio": 101,
        "value": 1.1,
    },
    declarations.Flip: {"p": 1.1},
    declarations.Darken: {"fraction": 1.1, "factor": 1.1},
    Recipe: {"label_smoothing": 1, "clip_norm": 0},
    declarations.Lookahead: {"alpha": 1.1},
    declarations.Mix: {"p": 1.1, "cutmix": 1.1, "mixup_alpha": 0, "cutmix_alpha": 0},
    declarations.Focus: {"share": 1.1, "noise": 101},
    declarations.Freeze: {"after": 1.1},
    declarations.Teacher: {"temperature": 0, "share": 1.1},
    View: {"rotate": 181, "scale": 0.4},
    Entry: {"published": 101},
}
BOUNDED = [
    (kind, field, value) for kind, values in TOO_MUCH.items() for field, value in values.items()
]
NOUGHT = ("patience", "start_epoch", "val_images", "params", "multiply_adds", "misses")
COUNTS = [
    (kind, field.name, 0) for kind, field in TYPED if field.type is int and field.name not in NOUGHT
]
MIXED = tuple(
    declarations.Member(entry=Entry(**GOOD[Entry] | {"data": data}))
    for data in (MNIST, KAGGLE_DEAL)
)
WRONG = [
    (SGD, {"momentum": 0}, "nesterov needs a momentum above 0"),
    (declarations.Cosine, {"min_lr": 0.2}, "min_lr 0.2 is above lr 0.1"),
    (declarations.Erase, {"min_area": 0.5}, "a minimum is above its maximum"),
    (declarations.Swell, {"kernel": 2}, "kernel must be odd, not 2"),
    (declarations.Freeze, {"module": ""}, "module must name a part of the network"),
    (Recipe, {"batch_size": 1}, "batch_size must be at least 2"),
    (Recipe, {"amp": "half"}, "amp must be off, bf16 or fp16, not 'half'"),
    (Recipe, {"augment": [declarations.Affine()]}, "augment must be a tuple, not"),
    (Recipe, {"augment": ("affine",)}, "augment holds 'affine'"),
    (Recipe, {"optimizer": "sgd"}, "optimizer must be an instance of .*'sgd'"),
    (Recipe, {"schedule": SGD()}, "schedule must be an instance of .*SGD"),
    (Recipe, {"average": 0.9}, "average must be an instance of .* 0.9"),
    (Recipe, {"average": SWA(start_epoch=3, lr=0.1)}, "average.start_epoch 3 is past epochs 3"),
    (
        Recipe,
        {"schedule": declarations.ReduceOnPlateau(lr=0.1), "val_images": 0},
        "ReduceOnPlateau .* needs val_images above 0",
    ),
    (
        Budget,
        {"requires": [BatchNorm()]},
        "requires must be a tuple, not .* which is a list; write",
    ),
    (
        Budget,
        {"requires": BatchNorm()},
        "requires must be a tuple, not .*: a comma is missing; "
        "write requires=\\(BatchNorm\\(...\\),\\)$",
    ),
    (
        Budget,
        {"requires": BatchNorm},
        "requires must be a tuple, not .*: a class and a comma is missing; write",
    ),
    (Budget, {"requires": {BatchNorm()}}, "requires must be a tuple, not .* which is a set"),
    (Budget, {"requires": "BatchNorm"}, "requires must be a tuple, not .* which is a string"),
    (
        Budget,
        {"slack": declarations.Slack},
        "slack must be a Slack, not the class .*; write slack=Slack\\(\\)",
    ),
    (
        Budget,
        {"slack": declarations.Slack(misses_sd=2.0)},
        "slack.misses_sd needs seeds of at least 2: one run has no spread$",
    ),
    (
        declarations.Slack,
        {"misses": 1, "misses_sd": 1.0},
        "misses and misses_sd are two slacks of misses",
    ),
    (Budget, {"requires": ("BatchNorm",)}, "requires holds 'BatchNorm'"),
    (
        Budget,
        {"requires": (BatchNorm,)},
        "requires holds the class BatchNorm; write BatchNorm\\(\\)",
    ),
    (Budget, {"min_accuracy": 0.99}, "max_misses and min_accuracy are two rules of accuracy"),
    (Budget, {"max_misses": None, "min_accuracy": 99.4}, "min_accuracy is a share .* 0.994$"),
    (
        Budget,
        {"max_params": None, "max_epochs": None, "max_misses": None},
        "at least one limit must be given",
    ),
    (Entry, {"name": "Slim"}, "name .* 'Slim'"),
    (Entry, {"name": "a/b"}, "name .* 'a/b'"),
    (Entry, {"name": "größe"}, "name .* 'größe'"),
    (Entry, {"network": "Slim"}, "network must be what makes a network"),
    (Entry, {"network": Slim()}, "network must be the class Slim, not an instance: network=Slim$"),
    (
        Entry,
        {"recipe": Recipe},
        "recipe must be an instance of a dataclass, not the class .*; "
        "write recipe=Recipe\\(...\\)$",
    ),
    (Entry, {"recipe": "18 epochs"}, "recipe must be an instance of a dataclass"),
    (Entry, {"data": "mnist"}, "data must be a data set such as data.npz\\(...\\), not 'mnist'"),
    (Entry, {"views": (View(right=15),)}, "right must be from -14 to 14 pixels"),
    (Entry, {"views": (View(down=-15),)}, "down must be from -14 to 14 pixels"),
    (Entry, {"budget": {}}, "budget must be a Budget"),
    (Entry, {"stored": "int4"}, "stored must be float32, float16 or int8, not 'int4'"),
    (Entry, {"views": (View(), View())}, "views must be different Views"),
    (Entry, {"views": [View()]}, "views must be a tuple"),
    (Entry, {"views": (View,)}, "views holds the class View; write View\\(\\)"),
    (Entry, {"views": (View())}, "views must be a tuple, not .*: a comma is missing; write"),
    (
        Recipe,
        {"finish": declarations.Finish(epochs=3)},
        "finish.epochs 3 leave nothing of epochs 3",
    ),
    (Recipe, {"rounding": declarations.Rounding(epochs=4)}, "rounding.epochs 4 are more than"),
    (Recipe, {"lookahead": 5}, "lookahead must be an instance of .* 5"),
    (declarations.Finish, {"augment": ("affine",)}, "augment holds 'affine'"),
    (declarations.Finish, {"mix": 0.5}, "mix must be a Mix"),
    (
        declarations.Member,
        {"seeds": (1,)},
        "seeds must be different ones of the 1 that net declares, not \\(1,\\)",
    ),
    (declarations.Member, {"seeds": ()}, "seeds must be"),
    (declarations.Teacher, {"seeds": (1,)}, "seeds must be different ones of the 1 that net"),
    (declarations.Teacher, {"seeds": [0]}, "seeds must be different ones of the 1 that net"),
    (declarations.Teacher, {"entry": Entry}, "entry must be a Entry, not the class"),
    (
        declarations.Member,
        {"entry": Entry(**GOOD[Entry], views=(View(right=1),))},
        "net votes or has views itself",
    ),
    (declarations.Member, {"entry": Ensemble(**GOOD[Ensemble])}, "jury votes or has views itself"),
    (Ensemble, {"members": ()}, "members must be a tuple of Members"),
    (
        Ensemble,
        {"members": GOOD[Ensemble]["members"][0]},
        "members must be a tuple of Members, not .*: a comma is missing; write",
    ),
    (Ensemble, {"vote": "hands"}, "vote must be logits or probabilities, not 'hands'"),
    (Ensemble, {"budget": Budget(**GOOD[Budget], seeds=2)}, "budget.seeds must be 1, not 2"),
    (
        Ensemble,
        {"members": MIXED},
        "members must be trained on the same images, "
        "not kaggle_deal less 5,000 for val, mnist less 5,000 for val",
    ),
]


def make(kind, **changed):
    return kind(**{**GOOD.get(kind, {}), **changed})


@pytest.mark.parametrize(
    ("kind", "field"), TYPED, ids=[f"{kind.__name__}.{field.name}" for kind, field in TYPED]
)
def test_a_value_of_the_wrong_kind_is_rejected_by_name(kind, field):
    for value in NEVER[field.type][1 if kind is View else 0 :]:  # a view may move left
        with pytest.raises(
            ValueError, match=f"^{kind.__name__}: .*{field.name}.*{re.escape(repr(value))}"
        ):
            make(kind, **{field.name: value})


@pytest.mark.parametrize(("kind", "field", "value"), BOUNDED + COUNTS)
def test_a_value_out_of_bounds_is_rejected_with_the_bounds(kind, field, value):
    with pytest.raises(
        ValueError,
        match=f"^{kind.__name__}: {field} must be "
        f"(from .* to .*|an integer of at least [12]), not {value!r}$",
    ):
        make(kind, **{field: value})


@pytest.mark.parametrize(("kind", "values", "reason"), WRONG)
def test_values_that_do_not_fit_are_rejected_with_the_reason(kind, values, reason):
    with pytest.raises(ValueError, match=f"^(?:{kind.__name__}|View): {reason}"):
        make(kind, **values)


def test_the_table_has_a_bad_value_for_every_declaration_that_takes_one():
    checked = {kind for kind, *_ in [*TYPED, *BOUNDED, *COUNTS, *WRONG]}
    without_fields = {kind.__name__ for kind in set(KINDS) - checked}
    assert len(KINDS) == 40 and without_fields == set(
        "GlobalAveragePooling NoDenseOnMap Optimizer Schedule Average Augmentation".split()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_declaration_is_frozen_and_keyword_only(kind):
    made = make(kind)
    for field in dataclasses.fields(kind):
        assert field.kw_only or not field.init
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, getattr(made, field.name))


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if not issubclass(kind, Entry | declarations.Member)]
)
def test_a_description_is_plain_json_of_the_kind_and_every_field(kind):
    described = describe(make(kind))
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described == {"kind": kind.__name__} | {
        field.name: describe(getattr(make(kind), field.name)) for field in dataclasses.fields(kind)
    }


CHANGES = [
    ({"epochs": 4}, "epochs", 3, 4),
    ({"schedule": OneCycle(max_lr=0.2)}, "schedule.max_lr", 0.1, 0.2),
    (
        {"schedule": declarations.Constant(lr=0.1)},
        "schedule",
        describe(OneCycle(max_lr=0.1)),
        {"kind": "Constant", "lr": 0.1},
    ),
    ({"average": EMA(decay=0.9)}, "average", None, {"kind": "EMA", "decay": 0.9}),
    (
        {"augment": (declarations.Cutout(p=1),)},
        "augment",
        [],
        [{"kind": "Cutout", "size": 8, "p": 1}],
    ),
]


@pytest.mark.parametrize(
    ("values", "field", "was", "now"), CHANGES, ids=[field for _, field, *_ in CHANGES]
)
def test_a_changed_field_is_named_with_both_its_values(values, field, was, now):
    before, after = describe(make(Recipe)), json.loads(json.dumps(describe(make(Recipe, **values))))
    assert changed_fields(before, after) == [(field, was, now)]
    assert changed_fields(after, before) == [(field, now, was)]
    assert changed_fields(after, after) == []


def test_a_field_that_a_declaration_has_gained_is_no_change_while_it_is_none():
    """Older records stay valid, an ensemble's too: it holds its members' recipes in a list."""
    now = describe(Ensemble(**GOOD[Ensemble]).recipe)
    before = copy.deepcopy(now)
    del before["ballots"][0]["recipe"]["focus"]
    assert changed_fields(before, now) == changed_fields(now, before) == []
    before["ballots"][0]["recipe"]["epochs"] += 1
    assert [field for field, *_ in changed_fields(before, now)] == ["ballots"]


@given(st.integers(1, 100_000), st.integers(1, 9_999))
def test_a_share_that_is_right_allows_as_many_misses_as_a_whole_number_of_images_can(total, share):
    """0.994 of 10,000 is 60 misses, whatever a float makes of it."""
    budget = Budget(min_accuracy=share / 10_000)
    allowed = budget.allowed_misses(total)
    assert (total - allowed) * 10_000 >= share * total > (total - allowed - 1) * 10_000


def test_a_count_of_misses_is_taken_as_it_is():
    assert Budget(max_misses=60).allowed_misses(10_000) == 60
    assert Budget(min_accuracy=0.994).allowed_misses(10_000) == 60
    assert Budget(max_params=9).allowed_misses(10_000) is None
