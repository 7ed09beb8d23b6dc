"""A search tries valid recipes; the literal and the command of each make it again."""

import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_zoo import ZOO

import train
from torchbudget.declare.entry import Ensemble
from torchbudget.declare.zoofile import load_zoo
from utils import entry as declarations
from utils.augmentations import Cutout, Jitter
from utils.literal import literal, override_words
from utils.recipe import Adam, Cosine, Recipe
from utils.space import list_numbers, make_space

ROOT = Path(__file__).resolve().parents[2]
ADAM = Recipe(
    epochs=3,
    batch_size=2,
    optimizer=Adam(weight_decay=0.9, decoupled=True),
    schedule=Cosine(lr=900.0),
    augment=(Jitter(brightness=1), Cutout(p=1)),
)
OURS = load_zoo(ROOT / "zoo.py")
NAMES = vars(declarations) | {name.upper(): entry for name, entry in OURS.items()}
"""What a zoo file can name; a teacher is an entry, by its name in capitals."""
ENTRIES = {
    entry.name: entry
    for entry in (
        *OURS.values(),
        *ZOO,
        replace(ZOO[0], name="adam", recipe=ADAM),
    )
    if not isinstance(entry, Ensemble)
}


@given(st.sampled_from(sorted(ENTRIES)), st.data())
def test_every_recipe_of_a_space_is_valid_and_its_literal_makes_it_again(name, data):
    space = make_space(ENTRIES[name])
    drawn = {
        each: data.draw(
            st.one_of(
                st.sampled_from((range_.low, range_.high)), st.floats(range_.low, range_.high)
            )
        )
        for each, range_ in space.ranges.items()
    }
    recipe = space.apply(drawn).recipe
    assert eval(literal(recipe), NAMES) == eval(literal(recipe, 8), NAMES) == recipe
    assert all(
        range_.low <= list_numbers(space.apply(drawn))[each][0] <= range_.high
        for each, range_ in space.ranges.items()
    )


@pytest.mark.parametrize("name", ENTRIES)
def test_the_declared_recipe_is_in_its_space_and_no_range_is_empty(name):
    space = make_space(ENTRIES[name])
    assert space.apply(space.declared) == ENTRIES[name] and space.holds_declared
    assert all(each.low < each.high for each in space.ranges.values())
    assert {"batch_size", "label_smoothing"} <= set(space.ranges)


def test_the_command_trains_the_very_recipe():
    space = make_space(ENTRIES["slim"])
    recipe = space.apply({name: each.high for name, each in space.ranges.items()}).recipe
    words = shlex.split(" ".join(override_words(ENTRIES["slim"].recipe, recipe)))
    entry, overrides, _ = train.parse(["slim", *words], ENTRIES)
    assert entry.recipe == recipe != ENTRIES["slim"].recipe and overrides


def test_ranges_and_fixes_say_what_moves():
    space = make_space(
        ENTRIES["slim"], ["schedule.max_lr=0.01:1:log"], ["augment", "optimizer.momentum"]
    )
    assert str(space.ranges["schedule.max_lr"]) == "0.01 to 1, log"
    assert [name for name in space.ranges if name.startswith(("augment", "optimizer"))] == [
        "optimizer.weight_decay"
    ]
