"""What a zoo file may say: every bad value is rejected with its reason, and what was said can be compared and found again."""

import ast
import dataclasses
import json
import math
import re
import subprocess
import sys

import pytest

from model import Slim
from utils import entry as declarations
from utils.entry import EMA, SGD, SWA, BatchNorm, Budget, Entry, OneCycle, Recipe, changed_fields, describe
from utils.zoofile import ZooError, load_zoo, locate, select_entries

KINDS = [value for value in vars(declarations).values() if dataclasses.is_dataclass(value)]
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
GOOD[Entry] = {"name": "net", "network": Slim, "recipe": Recipe(**GOOD[Recipe]), "budget": Budget(**GOOD[Budget])}
NEVER = {
    int: [-1, 1.5, "3", None, True, math.nan],
    float: [-1.0, "0.1", None, True, math.nan, math.inf, [0.1]],
    bool: ["no", 1, None],
    str: [3, None],
}
TYPED = [(kind, field) for kind in KINDS for field in dataclasses.fields(kind) if field.type in NEVER]
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
    declarations.Erase: {"p": 1.1, "min_area": 2, "max_area": 1.1, "min_ratio": 0, "max_ratio": 101, "value": 1.1},
    declarations.Darken: {"fraction": 1.1, "factor": 1.1},
    Recipe: {"label_smoothing": 1, "clip_norm": 0},
}
BOUNDED = [(kind, field, value) for kind, values in TOO_MUCH.items() for field, value in values.items()]
NOUGHT = ("patience", "start_epoch", "val_images", "params", "multiply_adds", "misses")
COUNTS = [(kind, field.name, 0) for kind, field in TYPED if field.type is int and field.name not in NOUGHT]
WRONG = [
    (SGD, {"momentum": 0}, "nesterov needs a momentum above 0"),
    (declarations.Cosine, {"min_lr": 0.2}, "min_lr 0.2 is above lr 0.1"),
    (declarations.Erase, {"min_area": 0.5}, "a minimum is above its maximum"),
    (declarations.Swell, {"kernel": 2}, "kernel must be odd, not 2"),
    (Recipe, {"batch_size": 1}, "batch_size must be at least 2"),
    (Recipe, {"amp": "half"}, "amp must be off, bf16 or fp16, not 'half'"),
    (Recipe, {"augment": [declarations.Affine()]}, "augment must be a tuple, not"),
    (Recipe, {"augment": ("affine",)}, "augment holds 'affine'"),
    (Recipe, {"optimizer": "sgd"}, "optimizer must be an instance of .*'sgd'"),
    (Recipe, {"schedule": SGD()}, "schedule must be an instance of .*SGD"),
    (Recipe, {"average": 0.9}, "average must be an instance of .* 0.9"),
    (Recipe, {"average": SWA(start_epoch=3, lr=0.1)}, "average.start_epoch 3 is past epochs 3"),
    (Recipe, {"schedule": declarations.ReduceOnPlateau(lr=0.1), "val_images": 0}, "ReduceOnPlateau .* needs val_images above 0"),
    (Budget, {"requires": [BatchNorm()]}, "requires must be a tuple, not"),
    (Budget, {"requires": ("BatchNorm",)}, "requires holds 'BatchNorm'"),
    (Entry, {"name": "Slim"}, "name .* 'Slim'"),
    (Entry, {"name": "a/b"}, "name .* 'a/b'"),
    (Entry, {"name": "größe"}, "name .* 'größe'"),
    (Entry, {"network": "Slim"}, "network must be what makes a network"),
    (Entry, {"network": Slim()}, "network"),
    (Entry, {"recipe": None}, "(recipe must be a Recipe|budget must be a Budget)"),
    (Entry, {"budget": {}}, "(recipe must be a Recipe|budget must be a Budget)"),
]


def make(kind, **changed):
    return kind(**{**GOOD.get(kind, {}), **changed})


@pytest.mark.parametrize(("kind", "field"), TYPED, ids=[f"{kind.__name__}.{field.name}" for kind, field in TYPED])
def test_a_value_of_the_wrong_kind_is_rejected_by_name(kind, field):
    for value in NEVER[field.type]:
        with pytest.raises(ValueError, match=f"^{kind.__name__}: .*{field.name}.*{re.escape(repr(value))}"):
            make(kind, **{field.name: value})


@pytest.mark.parametrize(("kind", "field", "value"), BOUNDED + COUNTS)
def test_a_value_out_of_bounds_is_rejected_with_the_bounds(kind, field, value):
    with pytest.raises(ValueError, match=f"^{kind.__name__}: {field} must be (from .* to .*|an integer of at least 1), not {value!r}$"):
        make(kind, **{field: value})


@pytest.mark.parametrize(("kind", "values", "reason"), WRONG)
def test_values_that_do_not_fit_are_rejected_with_the_reason(kind, values, reason):
    with pytest.raises(ValueError, match=f"^{kind.__name__}: {reason}"):
        make(kind, **values)


def test_the_table_has_a_bad_value_for_every_declaration_that_takes_one():
    checked = {kind for kind, *_ in [*TYPED, *BOUNDED, *COUNTS, *WRONG]}
    without_fields = {kind.__name__ for kind in set(KINDS) - checked}
    assert len(KINDS) == 28 and without_fields == set("GlobalAveragePooling NoDenseOnMap Optimizer Schedule Average Augmentation".split())


@pytest.mark.parametrize("kind", KINDS)
def test_a_declaration_is_frozen_and_keyword_only(kind):
    made = make(kind)
    for field in dataclasses.fields(kind):
        assert field.kw_only
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(made, field.name, getattr(made, field.name))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Entry])
def test_a_description_is_plain_json_of_the_kind_and_every_field(kind):
    described = describe(make(kind))
    assert json.loads(json.dumps(described, allow_nan=False)) == described
    assert described == {"kind": kind.__name__} | {field.name: describe(getattr(make(kind), field.name)) for field in dataclasses.fields(kind)}


CHANGES = [
    ({"epochs": 4}, "epochs", 3, 4),
    ({"schedule": OneCycle(max_lr=0.2)}, "schedule.max_lr", 0.1, 0.2),
    ({"schedule": declarations.Constant(lr=0.1)}, "schedule", describe(OneCycle(max_lr=0.1)), {"kind": "Constant", "lr": 0.1}),
    ({"average": EMA(decay=0.9)}, "average", None, {"kind": "EMA", "decay": 0.9}),
    ({"augment": (declarations.Cutout(p=1),)}, "augment", [], [{"kind": "Cutout", "size": 8, "p": 1}]),
]


@pytest.mark.parametrize(("values", "field", "was", "now"), CHANGES, ids=[field for _, field, *_ in CHANGES])
def test_a_changed_field_is_named_with_both_its_values(values, field, was, now):
    before, after = describe(make(Recipe)), json.loads(json.dumps(describe(make(Recipe, **values))))
    assert changed_fields(before, after) == [(field, was, now)]
    assert changed_fields(after, before) == [(field, now, was)]
    assert changed_fields(after, after) == []


HEAD = "from model import Slim\nfrom utils.entry import *\nrecipe = Recipe(epochs=1, batch_size=9, optimizer=SGD(), schedule=Constant(lr=1))\n"
ONE = "Entry(name='one', network=Slim, recipe=recipe, budget=Budget(max_params=9, max_epochs=9, max_misses=9))"
UNUSABLE = {
    "missing": (None, "is not a file"),
    "error on import": ("import no_such_module", "cannot be imported: ModuleNotFoundError: .*no_such_module"),
    "syntax error": ("ZOO = (", "cannot be imported: SyntaxError"),
    "bad value": (HEAD + "ZOO = (Budget(max_params=0, max_epochs=9, max_misses=9),)", "max_params must be an integer of at least 1, not 0"),
    "no ZOO": (HEAD, "must define ZOO"),
    "empty ZOO": ("ZOO = ()", "must define ZOO"),
    "a list": (HEAD + f"ZOO = [{ONE}]", "must define ZOO, a tuple"),
    "no entries": ("ZOO = (1, 2)", "must define ZOO"),
    "duplicates": (HEAD + f"ZOO = ({ONE}, {ONE})", "declares one 2 times"),
    "exits": ("import sys\nsys.exit(0)", "cannot be imported: SystemExit"),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_an_unusable_zoo_file_is_one_error_that_names_it(name, tmp_path):
    text, reason = UNUSABLE[name]
    path = tmp_path / "broken_zoo.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ZooError, match=f"^{re.escape(str(path))} .*{reason}"):
        load_zoo(path)


def test_a_zoo_file_imports_its_own_neighbours_before_ours(tmp_path, zoo_file):
    (tmp_path / "model.py").write_text("from torch import nn\nclass Slim(nn.Module): theirs = True\n")
    (tmp_path / "zoo.py").write_text(HEAD + f"ZOO = ({ONE},)")
    load = f"from pathlib import Path; from utils.zoofile import load_zoo; print(load_zoo(Path({str(tmp_path / 'zoo.py')!r}))['one'].network.theirs)"
    path = f"import sys; sys.path[:0] = [{str(zoo_file.parent)!r}]; sys.path.append({str(tmp_path)!r}); "
    assert subprocess.run([sys.executable, "-c", path + load], capture_output=True, text=True, check=True).stdout == "True\n"


def test_entries_are_selected_by_name_and_all_by_none(zoo_file):
    zoo = load_zoo(zoo_file)
    assert select_entries(zoo, []) == list(zoo.values())
    assert select_entries(zoo, ["net3", "slim"]) == [zoo["net3"], zoo["slim"]]
    with pytest.raises(ZooError, match=f"no entry 'slin'; the zoo has {', '.join(zoo)}"):
        select_entries(zoo, ["slim", "slin"])


@pytest.mark.parametrize(("field", "text"), [("max_misses", "max_misses="), ("requires", "requires="), ("", "Entry(")])
def test_a_field_is_located_at_the_line_that_declares_it(field, text, zoo_file):
    lines = zoo_file.read_text().splitlines()
    for name in load_zoo(zoo_file):
        line = int(locate(zoo_file, name, field).removeprefix("zoo.py:")) - 1
        named = lines.index(f'        name="{name}",')
        assert line >= named - 1 and text in lines[line] and (text in lines[named - 1] or not any(text in between for between in lines[named:line]))
    assert locate(zoo_file, "no_such_entry", field) == ""


def test_the_zoo_holds_literals_only(zoo_file):
    allowed = {"Module", "ImportFrom", "alias", "Assign", "Expr", "Name", "Constant", "Tuple", "Call", "keyword", "Load", "Store"}
    tree = ast.parse(zoo_file.read_text())
    assert [ast.unparse(node) for node in ast.walk(tree) if type(node).__name__ not in allowed] == []
    assert [target.id for node in tree.body if isinstance(node, ast.Assign) for target in node.targets] == ["ZOO"]
