"""What a zoo declares is the same after it was written as JSON and read."""

import json
from dataclasses import dataclass

import pytest

from model import Slim
from torchbudget import data
from torchbudget.data.images import ImageSpec
from torchbudget.declare.budget import Budget
from torchbudget.declare.declaration import from_declarations, to_declaration
from torchbudget.declare.entry import Ensemble, Entry, describe
from torchbudget.declare.zoofile import load_zoo
from torchbudget.errors import DeclarationError


def load_nothing(name: str):
    raise AssertionError(f"the images of {name} were asked for")


def send(entries: dict[str, Entry], histories=()) -> dict[str, Entry]:
    """The entries as the judge reads them."""
    written = [to_declaration(entry, entry.name, histories) for entry in entries.values()]
    return from_declarations(json.loads(json.dumps(written)), load_nothing)


def test_every_entry_of_the_zoo_declares_the_same(zoo_file):
    zoo = load_zoo(zoo_file)
    read = send(zoo)
    assert list(read) == list(zoo)
    for name, entry in zoo.items():
        for field in ("budget", "views", "source", "published", "stored", "data", "val_images"):
            assert getattr(read[name], field) == getattr(entry, field), (name, field)
        assert describe(read[name].recipe) == describe(entry.recipe)
        assert isinstance(read[name], Ensemble) == isinstance(entry, Ensemble)


def test_a_recipe_gives_the_rates_that_it_was_asked_for_and_no_others(zoo_file):
    recipe = load_zoo(zoo_file)["slim"].recipe
    losses = [0.5] * recipe.epochs
    history = (55_000, losses)
    read = send({"slim": load_zoo(zoo_file)["slim"]}, [history])["slim"].recipe
    steps = 55_000 // recipe.batch_size
    assert list(read.learning_rates(steps, losses)) == recipe.learning_rates(steps, losses)
    assert not read.learning_rates(steps + 1, losses)
    assert read.lr_range() == recipe.lr_range()


@dataclass(frozen=True)
class Plan:
    """A recipe that says nothing of its training."""

    val_images: int = 7
    note: str = "mine"


def test_another_kind_of_recipe_and_none_are_described():
    image = ImageSpec((1, 28, 28), 10)
    spec = data.custom("mine", lambda: None, image)
    budget = Budget(max_params=20_000)
    plain = Entry(name="plain", network=Slim, data=spec, budget=budget)
    planned = Entry(name="planned", network=Slim, data=spec, budget=budget, recipe=Plan())
    read = send({"plain": plain, "planned": planned})
    assert read["plain"].recipe is None
    assert read["planned"].val_images == 7
    assert describe(read["planned"].recipe) == describe(Plan())
    with pytest.raises(AssertionError, match="images of plain"):
        read["plain"].data.load(None)
    with pytest.raises(TypeError, match="is read, not built"):
        read["plain"].network()


@pytest.mark.parametrize(
    "change",
    [
        {"budget": {"kind": "Budget", "max_params": "many"}},
        {"budget": {"kind": "type"}},
        {"budget": 3},
        {"data": {"kind": "Path"}},
        {"source": 1},
        {"published": "99"},
        {"views": 4},
        {"network": None},
        {"recipe": {"described": {}}},
        {"recipe": {"described": {}, "val_images": -1}},
        {"recipe": {"described": {}, "val_images": 1, "lr_range": [0]}},
        {"name": "Not A Name"},
    ],
    ids=str,
)
def test_what_no_zoo_file_declares_is_refused(zoo_file, change):
    declared = json.loads(json.dumps(to_declaration(load_zoo(zoo_file)["slim"], "network-0")))
    with pytest.raises(DeclarationError):
        from_declarations([declared | change], load_nothing)
